/** Journeys of media into and out of the page: files, masks, players; with a server that gives bytes and without. */

import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import type { Dev } from "../../dev/page"
import { hasBrowser, journeys, settled } from "./harness"

declare const dev: Dev

describe.skipIf(!hasBrowser)("media in a browser", () => {
  const { open: opened, violations } = journeys()
  let page: Page
  const open = async (query = "", theme = "dark") => {
    page = await opened("media", theme, query)
  }
  const center = async (selector: string) => {
    const box = await page.locator(selector).first().boundingBox()
    if (!box) throw new Error(`${selector} is not on the page`)
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  }
  const drop = (names: string[], at: { x: number; y: number }, kind?: "drop" | "paste") =>
    page.evaluate(([names, at, kind]) => dev.drop(names, at, kind), [names, at, kind] as const as [
      string[],
      { x: number; y: number },
      "drop" | "paste" | undefined,
    ])
  const has = (id: string) => page.waitForFunction((id) => dev.kernel.document.nodes.has(id), id)
  const isSeen = (id: string) =>
    page.waitForFunction(
      (id) => (document.querySelector<HTMLImageElement>(`[data-id="${id}"] .ff-cell img`)?.naturalWidth ?? 0) > 0,
      id,
    )
  const EMPTY = { x: 30, y: 300 }

  for (const bytes of ["server", "kernel"]) {
    it(`takes several files that are dropped, through the ${bytes}, shows them, and undoes each`, async () => {
      await open(`&bytes=${bytes}`)
      await drop(["coral", "opal"], EMPTY)
      await has("load_image_2")
      await isSeen("load_image_1")
      const sent = await page.evaluate(() => dev.kernel.sent.map((one) => one.type))
      expect(sent.filter((one) => one === (bytes === "server" ? "place_upload" : "upload"))).toHaveLength(2)
      expect(sent).not.toContain(bytes === "server" ? "upload" : "place_upload")
      await page.evaluate(() => dev.bridge.editing.undo())
      await page.evaluate(() => dev.bridge.editing.undo())
      await page.waitForFunction(() => dev.kernel.document.nodes.size === 6)
    })
  }

  it("puts a file into the file node and the port that it falls on, and one that is pasted into the middle", async () => {
    await open()
    await drop(["dunes"], await center("[data-id=file] .ff-card"))
    await page.waitForFunction(() => dev.kernel.document.nodes.get("file")?.params.name === "dunes.webp")
    await isSeen("file")
    await drop(["mist"], await center("[data-id=bigger] .ff-port.target"))
    await page.waitForFunction(() => dev.kernel.document.edges.some((one) => one.target === "bigger"))
    await page.evaluate(() => {
      dev.bridge.editing.select([])
      dev.bridge.root.current?.focus()
    })
    await drop(["opal"], EMPTY, "paste")
    await has("load_image_2")
  })

  it("chooses a file by the button of a file node", async () => {
    await open()
    await page
      .locator("[data-id=file] input[type=file]")
      .setInputFiles(fileURLToPath(new URL("../../dev/pictures/opal.webp", import.meta.url)))
    await page.waitForFunction(() => dev.kernel.document.nodes.get("file")?.params.name === "opal.webp")
  })

  it("says why an upload failed, tries again, and gives up when told to", async () => {
    await open()
    await page.route("**/uploads/**", (route) => route.abort())
    await drop(["coral"], EMPTY)
    await page.getByText("Check the connection").waitFor()
    await page.unroute("**/uploads/**")
    await page.getByRole("button", { name: "Try again" }).click()
    await has("load_image_1")
    await page.route("**/uploads/**", () => undefined)
    await drop(["opal"], { x: 1190, y: 300 })
    await page.getByRole("button", { name: "Cancel opal.webp" }).click()
    await page.waitForFunction(() => !document.querySelector(".ff-upload"))
    await expect.poll(() => page.evaluate(() => dev.kernel.document.nodes.has("load_image_2"))).toBe(false)
  })

  it("refuses in words what is no medium and what does not fit", async () => {
    await open()
    const box = await center("[data-id=music] .ff-port.target")
    await drop(["coral"], box)
    await page.getByText("takes text, this is an image").waitFor()
  })

  it("hashes where workers are refused", async () => {
    await open()
    await page.evaluate(() => {
      Object.assign(globalThis, {
        Worker: class {
          constructor() {
            throw new Error("refused by the page")
          }
        },
      })
    })
    await drop(["coral"], EMPTY)
    await has("load_image_1")
  })

  it("asks for a video's bytes only when it is looked at, and shows the moment under the pointer", async () => {
    await open()
    const asked: string[] = []
    page.on("request", (request) => asked.push(request.url()))
    await expect.poll(() => page.locator("[data-id=film] video").count()).toBe(0)
    const at = await page.locator("[data-id=film] .ff-film").boundingBox()
    if (!at) throw new Error("no film")
    await page.mouse.move(at.x + at.width * 0.5, at.y + at.height / 2)
    await page.waitForFunction(
      () => (document.querySelector<HTMLVideoElement>("[data-id=film] video")?.readyState ?? 0) >= 2,
    )
    await page.mouse.move(at.x + at.width * 0.75, at.y + at.height / 2)
    await page.waitForFunction(() => {
      const video = document.querySelector<HTMLVideoElement>("[data-id=film] video")
      return video && !video.seeking && Math.abs(video.currentTime / video.duration - 0.75) < 0.05
    })
    expect(asked.some((url) => url.endsWith("drift.webm"))).toBe(true)
    await page.mouse.move(10, 400)
    await expect.poll(() => page.locator("[data-id=film] video.is-shown").count()).toBe(0)
  })

  it("goes to the place in a sound that is clicked, and by arrow keys", async () => {
    await open()
    const wave = page.locator("[data-id=music] .ff-wave")
    const at = await wave.boundingBox()
    if (!at) throw new Error("no wave")
    await page.mouse.click(at.x + at.width / 2, at.y + at.height / 2)
    const time = () => document.querySelector<HTMLAudioElement>("[data-id=music] audio")?.currentTime ?? 0
    await page.waitForFunction(`Math.abs((${time})() - 4) < 0.2`)
    await wave.press("ArrowRight")
    await page.waitForFunction(`Math.abs((${time})() - 5) < 0.2`)
  })

  const paint = async () => {
    await page.evaluate(() => dev.bridge.editing.select(["edit"]))
    await page.getByRole("button", { name: "Paint mask" }).click()
    await page.waitForSelector(".ff-stage canvas")
  }
  /** How much is painted, 0..1. */
  const painted = () =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>(".ff-stage canvas")
      const data = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? []
      let sum = 0
      for (let at = 3; at < data.length; at += 4) sum += data[at] ?? 0
      return sum / 255 / (data.length / 4)
    })

  it("paints a mask by mouse and keys, wires it into the port by one step, and goes on from it", async () => {
    await open()
    await paint()
    const at = await center(".ff-stage")
    await page.mouse.move(at.x - 150, at.y)
    await page.mouse.down()
    await page.mouse.move(at.x + 150, at.y, { steps: 8 })
    await page.mouse.up()
    const line = await settled(painted)
    expect(line).toBeGreaterThan(0.01)
    await page.keyboard.press("x")
    await page.keyboard.press("]")
    await page.mouse.move(at.x, at.y - 80)
    await page.mouse.down()
    await page.mouse.move(at.x, at.y + 80, { steps: 8 })
    await page.mouse.up()
    const cut = await settled(painted)
    expect(cut).toBeLessThan(line)
    await page.keyboard.press("Control+z")
    await expect.poll(painted).toBeCloseTo(line, 6)
    await page.keyboard.press("Control+Shift+z")
    await expect.poll(painted).toBeCloseTo(cut, 6)
    await page.keyboard.press("i")
    await expect.poll(painted).toBeCloseTo(1 - cut, 3)
    await page.keyboard.press("i")
    await page.keyboard.press("Control+Enter")
    await has("load_image_1")
    const edges = await page.evaluate(() => dev.kernel.document.edges.map((one) => `${one.source}>${one.targetHandle}`))
    expect(edges).toContain("load_image_1>mask")
    await expect
      .poll(() => page.evaluate(() => dev.kernel.document.nodes.get("load_image_1")?.params.name))
      .toBe("mask")
    await paint()
    await expect.poll(painted).toBeCloseTo(cut, 3)
    await page.keyboard.press("Escape")
    await page.waitForFunction(() => !document.querySelector(".ff-mask"))
    await page.evaluate(() => dev.bridge.editing.undo())
    await page.waitForFunction(() => dev.kernel.document.nodes.size === 6)
  })

  it("paints by keyboard alone, and asks before strokes are thrown away", async () => {
    await open()
    await paint()
    await page.keyboard.press("Enter")
    for (let i = 0; i < 4; i++) await page.keyboard.press("Shift+ArrowRight")
    await expect.poll(painted).toBeGreaterThan(0)
    await page.keyboard.press("Escape")
    await page.getByText("Throw the strokes away?").waitFor()
    await page.getByRole("button", { name: "Go on" }).click()
    await expect.poll(() => page.locator(".ff-mask").count()).toBe(1)
    await page.locator(".ff-stage").focus()
    await page.keyboard.press("Delete")
    await expect.poll(painted).toBe(0)
  })

  it("says what is missing where there is no picture to paint over", async () => {
    await open()
    await page.evaluate(() => {
      dev.kernel.edit([{ kind: "add_node", node: { id: "cut", type: "apply_mask" } }])
    })
    await page.waitForSelector("[data-id=cut]", { state: "attached" })
    await page.evaluate(() => dev.bridge.store.setState({ panel: { kind: "mask", nodeId: "cut", port: "mask" } }))
    await page.getByText("There is no picture yet: connect one to image").waitFor()
  })

  for (const theme of ["dark", "light"]) {
    for (const what of ["canvas", "mask"]) {
      it(`has no serious accessibility violation: ${what}, ${theme}`, async () => {
        await open("", theme)
        if (what === "mask") await paint()
        else {
          await page.route("**/uploads/**", (route) => route.abort())
          await drop(["coral"], EMPTY)
          await page.waitForSelector(".ff-upload.is-failed")
        }
        expect(await violations(what === "mask" ? ".ff-mask" : ".ff-holder")).toEqual([])
      }, 20_000)
    }
  }
})
