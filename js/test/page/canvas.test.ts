/** Browser tests of the canvas on the dev page, by mouse and keyboard. Skipped without a browser. */

import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import type { Dev } from "../../dev/page"
import { hasBrowser, journeys, settled } from "./harness"

declare const dev: Dev

describe.skipIf(!hasBrowser)("the canvas in a browser", () => {
  const { open: opened, violations } = journeys()
  let page: Page
  const open = async (scene: string, theme = "dark") => {
    page = await opened(scene, theme)
  }
  const kernel = () =>
    page.evaluate(() => ({
      nodes: [...dev.kernel.document.nodes.keys()],
      edges: dev.kernel.document.edges.map(
        (edge) => `${edge.source}.${edge.sourceHandle}->${edge.target}.${edge.targetHandle}`,
      ),
    }))
  const focusCanvas = () => page.evaluate(() => dev.bridge.root.current?.focus())
  const handle = (node: string, port: string, side: string) =>
    page.locator(`[data-id=${node}] .ff-port.${side}[data-handleid=${port}]`)
  const drag = async (from: { x: number; y: number }, to: { x: number; y: number }) => {
    await page.mouse.move(from.x, from.y)
    await page.mouse.down()
    await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 4 })
    await page.mouse.move(to.x, to.y, { steps: 6 })
  }
  const center = async (locator: ReturnType<Page["locator"]>) => {
    const box = await locator.boundingBox()
    if (!box) throw new Error("not on the page")
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  }

  it("adds and renames a node by keyboard, and undoes both", async () => {
    await open("empty")
    await focusCanvas()
    await page.keyboard.press("Tab")
    await page.keyboard.type("genim")
    await page.keyboard.press("Enter")
    await page.waitForSelector("[data-id=generate_image_1]")
    await page.keyboard.press("F2")
    await page.waitForSelector("input.ff-title")
    await page.keyboard.type("Sky")
    await page.keyboard.press("Enter")
    await page.waitForFunction(() => dev.kernel.document.looks.get("generate_image_1")?.title === "Sky")
    await focusCanvas()
    await page.keyboard.press("Control+z")
    await page.keyboard.press("Control+z")
    await page.waitForFunction(() => dev.kernel.document.nodes.size === 0)
  })

  it("connects two nodes by keyboard", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.editing.select(["hero"]))
    await focusCanvas()
    await page.keyboard.press("c")
    await page.keyboard.type("contact")
    await page.keyboard.press("Enter")
    await page.waitForFunction(() => dev.kernel.document.edges.length === 7)
    expect((await kernel()).edges).toContain("hero.image->sheet.images")
  })

  it("connects ports by mouse, and explains a refused connection", async () => {
    await open("city")
    await drag(await center(handle("hero", "image", "source")), await center(handle("sheet", "images", "target")))
    await page.mouse.up()
    await page.waitForFunction(() => dev.kernel.document.edges.length === 7)
    await drag(await center(handle("prompt", "text", "source")), await center(handle("large", "image", "target")))
    await expect.poll(() => page.locator(".ff-refusal").textContent()).toBe("image takes image, this is text.")
    await page.mouse.up()
    expect((await kernel()).edges).toHaveLength(7)
  })

  it("offers compatible nodes for an edge dropped on empty space", async () => {
    await open("city")
    await drag(await center(handle("film", "video", "source")), { x: 1100, y: 600 })
    await page.mouse.up()
    await page.waitForSelector("[role=dialog]")
    const labels = () => page.locator("[role=option] b").allTextContents()
    await expect.poll(labels).toContain("Trim")
    await expect.poll(labels).not.toContain("Upscale")
    await page.keyboard.type("trim")
    await page.keyboard.press("Enter")
    await page.waitForFunction(() => dev.kernel.document.nodes.has("trim_1"))
    expect((await kernel()).edges).toContain("film.video->trim_1.video")
  })

  it("sends one edit at the end of a drag", async () => {
    await open("city")
    const from = await center(page.locator("[data-id=seeds] .ff-title"))
    await drag(from, { x: from.x + 90, y: from.y + 60 })
    await expect
      .poll(() => page.evaluate(() => dev.kernel.sent.filter((message) => message.type === "edits").length))
      .toBe(0)
    await page.mouse.up()
    await page.waitForFunction(() => (dev.kernel.document.looks.get("seeds")?.x ?? 0) > 0)
    await expect
      .poll(() => page.evaluate(() => dev.kernel.sent.filter((message) => message.type === "edits").length))
      .toBe(1)
  })

  it("edits a parameter, shows the price, runs, and is fresh", async () => {
    await open("city")
    await page.locator("[id^=ff-variable-prompt-time-]").fill("dawn")
    await page.waitForFunction(() => dev.kernel.document.variables.time === "dawn")
    await page.waitForFunction(() => document.querySelector(".ff-button.is-primary")?.textContent?.includes("–"))
    await page.locator(".ff-button.is-primary").click()
    await page.waitForSelector(".ff-chip.is-run")
    await page.waitForSelector("[role=progressbar]")
    await page.waitForFunction(() => document.querySelector(".ff-button.is-quiet")?.textContent === "all fresh")
  })

  it("cancels a run with a shortcut", async () => {
    await open("city")
    await focusCanvas()
    await page.keyboard.press("Control+Enter")
    await page.waitForSelector(".ff-button.is-cancel")
    await page.keyboard.press("Control+.")
    await page.waitForSelector(".ff-button.is-quiet")
    await expect.poll(() => page.locator("[data-id=film] .ff-chip").first().textContent()).toBe("cancelled")
  })

  it("copies and pastes through the browser's clipboard", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.editing.select(["prompt", "hero"]))
    await focusCanvas()
    await page.keyboard.press("Control+c")
    await page.keyboard.press("Control+v")
    await page.waitForFunction(() => dev.kernel.document.nodes.size === 9)
    expect((await kernel()).edges).toHaveLength(7)
  })

  it("keeps key presses from the notebook", async () => {
    await open("city")
    await page.evaluate(() => {
      Object.assign(globalThis, { leaked: [] as string[] })
      document.body.addEventListener("keydown", (event) =>
        (globalThis as unknown as { leaked: string[] }).leaked.push(event.key),
      )
    })
    await focusCanvas()
    for (const key of ["a", "b", "d", "Shift+Enter", "Escape", "m", "ArrowDown"]) await page.keyboard.press(key)
    await page.locator("[id^=ff-variable-prompt-time-]").press("x")
    await expect.poll(() => page.evaluate(() => (globalThis as unknown as { leaked: string[] }).leaked)).toEqual([])
    await expect.poll(() => page.locator("[data-lm-suppress-shortcuts=true]").count()).toBe(1)
  })

  it("renders nodes at their declared sizes and port positions", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.store.setState({ isTapeOpen: true }))
    const differences = await page.evaluate(() => {
      const zoom = Number(
        /scale\(([\d.]+)\)/.exec(
          document.querySelector<HTMLElement>(".react-flow__viewport")?.style.transform ?? "",
        )?.[1] ?? 1,
      )
      const boxes = dev.bridge.derived.layouts(dev.bridge.store.getState())
      const problems: string[] = []
      for (const [id, box] of boxes) {
        const element = document.querySelector<HTMLElement>(`[data-id="${id}"]`)
        const frame = element?.getBoundingClientRect()
        if (!element || !frame) continue
        if (Math.abs(frame.height / zoom - box.height) > 1 || Math.abs(frame.width / zoom - box.width) > 1)
          problems.push(`${id}: size`)
        for (const port of box.ports) {
          const at = element
            .querySelector(`.ff-port[data-handleid="${port.name}"].${port.side === "left" ? "target" : "source"}`)
            ?.getBoundingClientRect()
          if (!at) problems.push(`${id}.${port.name}: no port`)
          else if (Math.abs((at.top + at.height / 2 - frame.top) / zoom - port.y) > 1)
            problems.push(`${id}.${port.name}: y`)
        }
        for (const part of element.querySelectorAll<HTMLElement>(".ff-part")) {
          if (part.scrollHeight > part.clientHeight + 1)
            problems.push(`${id}: ${part.className} overflows by ${part.scrollHeight - part.clientHeight}`)
        }
      }
      return problems
    })
    expect(differences).toEqual([])
  })

  it("shows 5,000 nodes as an overview and mounts only visible ones", async () => {
    await open("5000")
    await page.waitForSelector(".ff-overview")
    await expect.poll(() => page.locator(".ff-card").count()).toBe(0)
    const place = () =>
      page.evaluate(() => {
        const [rect] = dev.bridge.editing.rects(["n_0"])
        const at = rect && dev.flow()?.flowToScreenPosition({ x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 })
        return at ?? { x: 0, y: 0 }
      })
    await page.waitForFunction(() => dev.flow() !== null)
    const from = await settled(place)
    await drag(from, { x: from.x + 30, y: from.y + 20 })
    await page.mouse.up()
    await page.waitForFunction(() => (dev.kernel.document.looks.get("n_0")?.x ?? 0) !== 0)
    const now = await settled(place)
    await page.mouse.dblclick(now.x, now.y)
    await page.waitForSelector(".ff-card")
    await expect.poll(() => page.locator(".ff-overview").count()).toBe(0)
    await expect.poll(() => page.locator(".ff-card").count()).toBeLessThan(40)
  }, 60_000)

  it("renders several views from a blob module and cleans up", async () => {
    await open("empty")
    const result = await page.evaluate(async () => {
      const text = await (await fetch("built/canvas.js")).text()
      const module = await dev.load(URL.createObjectURL(new Blob([text], { type: "text/javascript" })))
      const listeners = new Set<unknown>()
      const sent: { type: string }[] = []
      const model = {
        get: (name: string) => ({ height: "480px", snapshot_id: "ff-snapshot-test" })[name],
        send: (message: { type: string }) => sent.push(message),
        on: (_: string, callback: unknown) => listeners.add(callback),
        off: (_: string, callback: unknown) => listeners.delete(callback),
      }
      const widget = module.default
      const elements = [document.createElement("div"), document.createElement("div")]
      document.body.append(...elements)
      const removes = elements.map((el) => widget.render({ model, el }))
      const isMounted = () => document.querySelectorAll(".ff-holder").length === 3 && sent.length === 2
      while (!isMounted()) await new Promise((done) => requestAnimationFrame(done))
      const mounted = {
        views: document.querySelectorAll(".ff-holder").length,
        listeners: listeners.size,
        requested: sent.map((message) => message.type),
      }
      for (const remove of removes) remove()
      return {
        mounted,
        views: document.querySelectorAll(".ff-holder").length,
        listeners: listeners.size,
        remaining: elements.map((el) => el.childElementCount),
      }
    })
    expect(result).toEqual({
      mounted: { views: 3, listeners: 4, requested: ["ask", "ask"] },
      views: 1,
      listeners: 0,
      remaining: [0, 0],
    })
  })

  it("removes the view and its listeners", async () => {
    await open("city")
    await page.evaluate(() => {
      dev.stop()
      dev.bridge.session.close()
    })
    await expect.poll(() => page.locator(".ff-holder").count()).toBe(0)
    await page.evaluate(() => dev.kernel.edit([{ kind: "set_variable", name: "time", value: "dawn" }]))
    await page.keyboard.press("Control+c")
  })

  for (const theme of ["dark", "light"]) {
    for (const scene of ["city", "error", "empty", "batch"]) {
      it(`has no serious accessibility violation: ${scene}, ${theme}`, async () => {
        await open(scene, theme)
        expect(await violations()).toEqual([])
      }, 20_000)
    }
  }
})
