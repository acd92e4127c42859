/** Browser tests of the viewer: navigation, comparison, export and live grades. */

import { readFileSync } from "node:fs"
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import type { Dev } from "../../dev/page"
import type { Grade } from "../../src/gl/grade-table"
import { hasBrowser, journeys, settled } from "./harness"

declare const dev: Dev

/** Maximum difference from the kernel's result, of 255. */
const MOST_OFF = 2

describe.skipIf(!hasBrowser)("the viewer in a browser", () => {
  const { open: opened, violations } = journeys()
  let page: Page
  const open = async (scene: string, theme = "dark") => {
    page = await opened(scene, theme)
  }
  const waitForStage = () => page.waitForSelector(".ff-stage canvas")
  /** Color on the screen at a point of the stage, given as fractions of its sides. */
  const pixelAt = async (x: number, y: number) => {
    const box = await page.locator(".ff-stage").boundingBox()
    if (!box) throw new Error("no stage")
    const clip = { x: Math.round(box.x + box.width * x), y: Math.round(box.y + box.height * y), width: 1, height: 1 }
    const png = (await page.screenshot({ clip })).toString("base64")
    return page.evaluate(async (png) => {
      const picture = new Image()
      picture.src = `data:image/png;base64,${png}`
      await picture.decode()
      const canvas = document.createElement("canvas")
      const onto = canvas.getContext("2d") as CanvasRenderingContext2D
      onto.drawImage(picture, 0, 0)
      return [...onto.getImageData(0, 0, 1, 1).data.slice(0, 3)]
    }, png)
  }
  /** Settled color at a point, once it is not black. */
  const settledPixel = (x: number, y: number) =>
    settled(
      () => pixelAt(x, y),
      (seen) => seen.some((value) => value > 20),
    )
  const title = () => page.locator(".ff-viewer h2").textContent()

  it("opens by double-click, browses results, and shows details", async () => {
    await open("city")
    await page.locator("[data-id=still] .ff-look").first().dblclick()
    await page.waitForSelector(".ff-viewer")
    await waitForStage()
    await expect.poll(title).toBe("Variationsseed 7")
    await page.keyboard.press("ArrowRight")
    await page.waitForFunction(() => document.querySelector(".ff-viewer h2")?.textContent === "Variationsseed 21")
    await page.waitForFunction(() => document.querySelector(".ff-about .ff-facts")?.textContent?.includes("seed21"))
    await expect
      .poll(() => page.locator(".ff-prompt p").textContent())
      .toBe("neon city at midnight, wet streets, long lens")
    await page.keyboard.press("t")
    await page.waitForFunction(() => document.querySelector(".ff-choice [aria-pressed=true]")?.textContent === "Tape")
    await page.keyboard.press("Escape")
    await page.waitForSelector(".ff-viewer", { state: "detached" })
  })

  it("opens by Enter and Space, traps the focus, and restores it", async () => {
    await open("city")
    const cell = page.locator("[data-id=hero] .ff-look")
    await cell.focus()
    for (const key of ["Enter", " "]) {
      await page.keyboard.press(key)
      await page.waitForSelector(".ff-viewer")
      for (let i = 0; i < 20; i++) {
        await page.keyboard.press("Tab")
        await expect.poll(() => page.evaluate(() => document.activeElement?.closest(".ff-viewer") !== null)).toBe(true)
      }
      await page.keyboard.press("Escape")
      await page.waitForSelector(".ff-viewer", { state: "detached" })
      await expect.poll(() => cell.evaluate((element) => element === document.activeElement)).toBe(true)
    }
    await page.locator(".ff-frame").nth(2).focus()
    await page.keyboard.press(" ")
    await page.waitForSelector(".ff-viewer")
    await expect.poll(title).toBe("aurora")
  })

  it("zooms by wheel and keys", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("hero"))
    await waitForStage()
    const whole = await settled(() => page.locator(".ff-percent").textContent())
    await page.locator(".ff-stage").hover()
    await page.mouse.wheel(0, -300)
    await page.waitForFunction((whole) => document.querySelector(".ff-percent")?.textContent !== whole, whole)
    await page.keyboard.press("1")
    await page.waitForFunction(() => document.querySelector(".ff-percent")?.textContent === "100 %")
    await page.keyboard.press("0")
    await page.waitForFunction((whole) => document.querySelector(".ff-percent")?.textContent === whole, whole)
  })

  it("compares marked results in all modes", async () => {
    await open("city")
    const cells = page.locator("[data-id=still] .ff-look")
    await cells.nth(0).click({ modifiers: ["Shift"] })
    await cells.nth(1).focus()
    await page.keyboard.press("c")
    await expect.poll(() => page.locator(".ff-marks > span").textContent()).toBe("2 pictures marked")
    await expect.poll(() => page.evaluate(() => dev.bridge.store.getState().selection.size)).toBe(0)
    await page.locator(".ff-marks .is-primary").click()
    await waitForStage()
    await page.waitForFunction(() => document.querySelectorAll(".ff-tag").length === 2)
    // In the middle third of the stage, where both pictures overlap.
    const firstPixel = await settledPixel(0.42, 0.3)
    const divider = page.locator(".ff-divider")
    await expect.poll(() => divider.getAttribute("aria-valuenow")).toBe("50")
    await divider.focus()
    for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowLeft")
    await expect.poll(() => divider.getAttribute("aria-valuenow")).toBe("30")
    await expect.poll(() => pixelAt(0.42, 0.3)).not.toEqual(firstPixel)
    const secondPixel = await settledPixel(0.42, 0.3)
    /** Difference between the stage and the expected blend of both pictures, of 255. */
    const off = async (of: (left: number, right: number) => number) => {
      const pixel = await pixelAt(0.42, 0.3)
      return Math.max(...pixel.map((value, at) => Math.abs(value - of(firstPixel[at] ?? 0, secondPixel[at] ?? 0))))
    }
    await page.keyboard.press("d")
    await page.waitForFunction(() => document.querySelector(".ff-turned > span")?.textContent === "Strength ×1")
    await expect.poll(() => off((left, right) => Math.abs(left - right))).toBeLessThanOrEqual(MOST_OFF)
    await page.keyboard.press("o")
    await page.waitForFunction(() => document.querySelector(".ff-turned > span")?.textContent === "Blend")
    await expect.poll(() => off((left, right) => (left + right) / 2)).toBeLessThanOrEqual(MOST_OFF)
    await page.keyboard.press("s")
    await page.waitForSelector(".ff-turned", { state: "detached" })
    await expect.poll(() => page.locator(".ff-against.is-own").count()).toBe(2)
  })

  it("falls back to side by side without WebGL2", async () => {
    page = await opened("city", "dark", "", () => {
      const real = HTMLCanvasElement.prototype.getContext
      HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...more: unknown[]) {
        return kind === "webgl2" ? null : Reflect.apply(real, this, [kind, ...more])
      } as never
    })
    await page.evaluate(() => dev.bridge.viewer.compareNode("still"))
    await page.waitForSelector(".ff-flat img")
    await expect.poll(() => page.locator(".ff-flat img").count()).toBe(3)
    await expect.poll(() => page.locator(".ff-viewer-head .ff-warn").textContent()).toContain("WebGL2 is unavailable")
    await expect.poll(() => page.locator(".ff-choice button:disabled").count()).toBe(3)
  })

  it("recovers from a lost WebGL context", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("hero"))
    await waitForStage()
    const before = await settledPixel(0.5, 0.5)
    await page.evaluate(async () => {
      const canvas = document.querySelector<HTMLCanvasElement>(".ff-stage canvas")
      const lose = canvas?.getContext("webgl2")?.getExtension("WEBGL_lose_context")
      const waitForEvent = (name: string) => new Promise((done) => canvas?.addEventListener(name, done, { once: true }))
      const lost = waitForEvent("webglcontextlost")
      lose?.loseContext()
      await lost
      const restored = waitForEvent("webglcontextrestored")
      setTimeout(() => lose?.restoreContext())
      await restored
    })
    await expect.poll(() => pixelAt(0.5, 0.5)).toEqual(before)
  })

  it("downloads, places and restores a result", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("hero"))
    await waitForStage()
    const [file] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Control+s")])
    expect(file.suggestedFilename()).toMatch(/^hero-\w+\.webp$/)
    await page.keyboard.press("p")
    await page.waitForFunction(() => dev.kernel.document.nodes.has("load_image_1"))
    await expect
      .poll(() => page.evaluate(() => dev.kernel.document.nodes.get("load_image_1")?.params))
      .toMatchObject({
        asset: { media_type: "image/webp", size_bytes: 180_000 },
        name: "Hero",
      })
    await page.evaluate(() => dev.bridge.viewer.openNode("hero"))
    await page.waitForSelector(".ff-viewer")
    await page.keyboard.press("r")
    await page.waitForFunction(() => dev.kernel.sent.some((message) => message.type === "restore"))
  })

  it("plays a video with the browser's controls", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("film"))
    await page.waitForFunction(() => (document.querySelector<HTMLVideoElement>(".ff-playing")?.duration ?? 0) > 1)
    await expect.poll(() => page.locator(".ff-playing").getAttribute("controls")).not.toBeNull()
  })

  it("previews a grade until the kernel's result arrives", async () => {
    await open("grade")
    const slider = page.locator("[id^=ff-card-grade-exposure-]")
    await expect.poll(() => page.locator(".ff-graded").count()).toBe(0)
    const light = () =>
      page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>(".ff-graded")
        const data = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? []
        let sum = 0
        for (let at = 0; at < data.length; at += 4) sum += (data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + 2] ?? 0)
        return sum / (data.length || 1)
      })
    await slider.fill("-1")
    await page.waitForSelector(".ff-graded")
    const dark = await settled(light, (sum) => sum > 5)
    await slider.fill("1")
    await expect.poll(light).toBeGreaterThan(dark * 1.3)
    await page.locator("[data-id=grade] .ff-look").dblclick()
    await waitForStage()
    await page.waitForSelector(".ff-tag.is-plain")
    const before = await settledPixel(0.5, 0.5)
    await page.locator("[id^=ff-viewer-grade-exposure-]").fill("-1")
    const sum = (of: number[]) => of.reduce((total, value) => total + value)
    await expect.poll(async () => sum(await pixelAt(0.5, 0.5))).toBeLessThan(sum(before))
    await page.keyboard.press("Escape")
    await page.evaluate(() => dev.bridge.editing.run(null))
    await page.waitForSelector(".ff-graded", { state: "detached", timeout: 20_000 })
    await expect.poll(() => page.locator("[data-id=grade] .ff-cell img").count()).toBe(1)
  })

  it("grades like the kernel, within 2 of 255", async () => {
    await open("grade")
    const fixture: { pixel_stride: number; cases: { settings: Partial<Grade>; pixels: number[] }[] } = JSON.parse(
      readFileSync(new URL("../fixtures/grade.json", import.meta.url), "utf8"),
    )
    const off: number[] = []
    for (const { settings, pixels } of fixture.cases) {
      const ours = await page.evaluate((settings) => dev.graded("pictures/colours.png", settings), settings)
      const stride = fixture.pixel_stride
      off.push(
        pixels.reduce((worst, value, at) => {
          const mine = ours[Math.floor(at / 3) * stride * 3 + (at % 3)] ?? Number.NaN
          return Math.max(worst, Math.abs(value - mine))
        }, 0),
      )
    }
    expect(off).toHaveLength(fixture.cases.length)
    for (const worst of off) expect(worst, `${off}`).toBeLessThanOrEqual(MOST_OFF)
    console.log(`maximum difference from the kernel's grade, of 255: ${off.join(", ")}`)
  })

  for (const theme of ["dark", "light"]) {
    it(`has no serious accessibility violation: viewer and compare, ${theme}`, async () => {
      await open("city", theme)
      for (const which of ["one", "several"]) {
        await page.evaluate((which) => {
          if (which === "one") dev.bridge.viewer.openNode("hero")
          else dev.bridge.viewer.compareNode("still")
        }, which)
        await waitForStage()
        expect(await violations(".ff-viewer")).toEqual([])
      }
    })
  }
})
