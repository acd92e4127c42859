/** Browser tests of uploads, masks and players, with and without a server for bytes. */

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
    it(`uploads dropped files through the ${bytes}, and undoes each`, async () => {
      await open(`&bytes=${bytes}`)
      await drop(["coral", "opal"], EMPTY)
      await has("load_image_2")
      await isSeen("load_image_1")
      const sent = await page.evaluate(() => dev.kernel.sent.map((message) => message.type))
      expect(sent.filter((type) => type === (bytes === "server" ? "place_upload" : "upload"))).toHaveLength(2)
      expect(sent).not.toContain(bytes === "server" ? "upload" : "place_upload")
      await page.evaluate(() => dev.bridge.editing.undo())
      await page.evaluate(() => dev.bridge.editing.undo())
      await page.waitForFunction(() => dev.kernel.document.nodes.size === 6)
    })
  }

  it("drops a file on a node or a port, and pastes one", async () => {
    await open()
    await drop(["dunes"], await center("[data-id=file] .ff-card"))
    await page.waitForFunction(() => dev.kernel.document.nodes.get("file")?.params.name === "dunes.webp")
    await isSeen("file")
    await drop(["mist"], await center("[data-id=bigger] .ff-port.target"))
    await page.waitForFunction(() => dev.kernel.document.edges.some((edge) => edge.target === "bigger"))
    await page.evaluate(() => {
      dev.bridge.editing.select([])
      dev.bridge.root.current?.focus()
    })
    await drop(["opal"], EMPTY, "paste")
    await has("load_image_2")
  })

  it("chooses a file with the button of a file node", async () => {
    await open()
    await page
      .locator("[data-id=file] input[type=file]")
      .setInputFiles(fileURLToPath(new URL("../../dev/pictures/opal.webp", import.meta.url)))
    await page.waitForFunction(() => dev.kernel.document.nodes.get("file")?.params.name === "opal.webp")
  })

  it("explains a failed upload, retries it, and cancels one", async () => {
    await open()
    await page.route("**/uploads/**", (route) => route.abort())
    await drop(["coral"], EMPTY)
    await page.getByText("Check the connection").waitFor()
    await page.unroute("**/uploads/**")
    await page.getByRole("button", { name: "Retry" }).click()
    await has("load_image_1")
    await page.route("**/uploads/**", () => undefined)
    await drop(["opal"], { x: 1190, y: 300 })
    await page.getByRole("button", { name: "Cancel opal.webp" }).click()
    await page.waitForFunction(() => !document.querySelector(".ff-upload"))
    await expect.poll(() => page.evaluate(() => dev.kernel.document.nodes.has("load_image_2"))).toBe(false)
  })

  it("explains why a file is refused", async () => {
    await open()
    const box = await center("[data-id=music] .ff-port.target")
    await drop(["coral"], box)
    await page.getByText("takes text, this is an image").waitFor()
  })

  it("hashes without workers", async () => {
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

  it("loads a video on hover and seeks to the pointer", async () => {
    await open()
    const requested: string[] = []
    page.on("request", (request) => requested.push(request.url()))
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
    expect(requested.some((url) => url.endsWith("drift.webm"))).toBe(true)
    await page.mouse.move(10, 400)
    await expect.poll(() => page.locator("[data-id=film] video.is-shown").count()).toBe(0)
  })

  it("seeks in audio by click and arrow keys", async () => {
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
  /** Painted share of the mask, 0 to 1. */
  const paintedShare = () =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>(".ff-stage canvas")
      const data = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? []
      let sum = 0
      for (let at = 3; at < data.length; at += 4) sum += data[at] ?? 0
      return sum / 255 / (data.length / 4)
    })

  it("paints a mask, connects it in one step, and edits it again", async () => {
    await open()
    await paint()
    const at = await center(".ff-stage")
    await page.mouse.move(at.x - 150, at.y)
    await page.mouse.down()
    await page.mouse.move(at.x + 150, at.y, { steps: 8 })
    await page.mouse.up()
    const line = await settled(paintedShare)
    expect(line).toBeGreaterThan(0.01)
    await page.keyboard.press("x")
    await page.keyboard.press("]")
    await page.mouse.move(at.x, at.y - 80)
    await page.mouse.down()
    await page.mouse.move(at.x, at.y + 80, { steps: 8 })
    await page.mouse.up()
    const cut = await settled(paintedShare)
    expect(cut).toBeLessThan(line)
    await page.keyboard.press("Control+z")
    await expect.poll(paintedShare).toBeCloseTo(line, 6)
    await page.keyboard.press("Control+Shift+z")
    await expect.poll(paintedShare).toBeCloseTo(cut, 6)
    await page.keyboard.press("i")
    await expect.poll(paintedShare).toBeCloseTo(1 - cut, 3)
    await page.keyboard.press("i")
    await page.keyboard.press("Control+Enter")
    await has("load_image_1")
    const edges = await page.evaluate(() =>
      dev.kernel.document.edges.map((edge) => `${edge.source}>${edge.targetHandle}`),
    )
    expect(edges).toContain("load_image_1>mask")
    await expect
      .poll(() => page.evaluate(() => dev.kernel.document.nodes.get("load_image_1")?.params.name))
      .toBe("mask")
    await paint()
    await expect.poll(paintedShare).toBeCloseTo(cut, 3)
    await page.keyboard.press("Escape")
    await page.waitForFunction(() => !document.querySelector(".ff-mask"))
    await page.evaluate(() => dev.bridge.editing.undo())
    await page.waitForFunction(() => dev.kernel.document.nodes.size === 6)
  })

  it("paints by keyboard, and asks before discarding strokes", async () => {
    await open()
    await paint()
    await page.keyboard.press("Enter")
    for (let i = 0; i < 4; i++) await page.keyboard.press("Shift+ArrowRight")
    await expect.poll(paintedShare).toBeGreaterThan(0)
    await page.keyboard.press("Escape")
    await page.getByText("Discard the strokes?").waitFor()
    await page.getByRole("button", { name: "Continue painting" }).click()
    await expect.poll(() => page.locator(".ff-mask").count()).toBe(1)
    await page.locator(".ff-stage").focus()
    await page.keyboard.press("Delete")
    await expect.poll(paintedShare).toBe(0)
  })

  it("explains that a picture is missing", async () => {
    await open()
    await page.evaluate(() => {
      dev.kernel.edit([{ kind: "add_node", node: { id: "cut", type: "apply_mask" } }])
    })
    await page.waitForSelector("[data-id=cut]", { state: "attached" })
    await page.evaluate(() => dev.bridge.store.setState({ panel: { kind: "mask", nodeId: "cut", port: "mask" } }))
    await page.getByText("There is no image yet: connect one to image").waitFor()
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
