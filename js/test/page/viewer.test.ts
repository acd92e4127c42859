/** Journeys through the viewer: looking, comparing, taking along, and grades that are drawn before they are made. */

import { readFileSync } from "node:fs"
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import type { Dev } from "../../dev/page"
import type { Grade } from "../../src/gl/grade-table"
import { hasBrowser, journeys, settled } from "./harness"

declare const dev: Dev

/** What of 255 the kernel's result and ours may differ by. */
const MOST_OFF = 2

describe.skipIf(!hasBrowser)("the viewer in a browser", () => {
  const { open: opened, violations } = journeys()
  let page: Page
  const open = async (scene: string, theme = "dark") => {
    page = await opened(scene, theme)
  }
  const drawn = () => page.waitForSelector(".ff-stage canvas")
  /** The colour on the screen at a place of the stage, in fractions of its sides. */
  const colour = async (x: number, y: number) => {
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
  /** The same once nothing changes it any more, and there is something. */
  const lit = (x: number, y: number) =>
    settled(
      () => colour(x, y),
      (seen) => seen.some((value) => value > 20),
    )
  const title = () => page.locator(".ff-viewer h2").textContent()

  it("opens by double click, goes through the results by key, tells how they were made, and closes to where one was", async () => {
    await open("city")
    await page.locator("[data-id=still] .ff-look").first().dblclick()
    await page.waitForSelector(".ff-viewer")
    await drawn()
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

  it("opens by Enter and Space on what has the focus, keeps it while open, and gives it back", async () => {
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

  it("zooms by wheel and keys, pixel for pixel and back to the whole", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("hero"))
    await drawn()
    const whole = await settled(() => page.locator(".ff-percent").textContent())
    await page.locator(".ff-stage").hover()
    await page.mouse.wheel(0, -300)
    await page.waitForFunction((whole) => document.querySelector(".ff-percent")?.textContent !== whole, whole)
    await page.keyboard.press("1")
    await page.waitForFunction(() => document.querySelector(".ff-percent")?.textContent === "100 %")
    await page.keyboard.press("0")
    await page.waitForFunction((whole) => document.querySelector(".ff-percent")?.textContent === whole, whole)
  })

  it("compares what was marked by click and by key, in every way, by mouse and keyboard", async () => {
    await open("city")
    const cells = page.locator("[data-id=still] .ff-look")
    await cells.nth(0).click({ modifiers: ["Shift"] })
    await cells.nth(1).focus()
    await page.keyboard.press("c")
    await expect.poll(() => page.locator(".ff-marks > span").textContent()).toBe("2 pictures marked")
    await expect.poll(() => page.evaluate(() => dev.bridge.store.getState().selection.size)).toBe(0)
    await page.locator(".ff-marks .is-primary").click()
    await drawn()
    await page.waitForFunction(() => document.querySelectorAll(".ff-tag").length === 2)
    // In the middle third of the stage, so that both pictures are under both places.
    const wide = await lit(0.42, 0.3)
    const divider = page.locator(".ff-divider")
    await expect.poll(() => divider.getAttribute("aria-valuenow")).toBe("50")
    await divider.focus()
    for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowLeft")
    await expect.poll(() => divider.getAttribute("aria-valuenow")).toBe("30")
    await expect.poll(() => colour(0.42, 0.3)).not.toEqual(wide)
    const other = await lit(0.42, 0.3)
    /** How far the stage is from what it should draw of the two, in 255ths. */
    const off = async (of: (one: number, two: number) => number) => {
      const drawn = await colour(0.42, 0.3)
      return Math.max(...drawn.map((value, at) => Math.abs(value - of(wide[at] ?? 0, other[at] ?? 0))))
    }
    await page.keyboard.press("d")
    await page.waitForFunction(() => document.querySelector(".ff-turned > span")?.textContent === "Strength ×1")
    await expect.poll(() => off((one, two) => Math.abs(one - two))).toBeLessThanOrEqual(MOST_OFF)
    await page.keyboard.press("o")
    await page.waitForFunction(() => document.querySelector(".ff-turned > span")?.textContent === "Blend")
    await expect.poll(() => off((one, two) => (one + two) / 2)).toBeLessThanOrEqual(MOST_OFF)
    await page.keyboard.press("s")
    await page.waitForSelector(".ff-turned", { state: "detached" })
    await expect.poll(() => page.locator(".ff-against.is-own").count()).toBe(2)
  })

  it("says what it lacks without WebGL2, and shows pictures side by side all the same", async () => {
    page = await opened("city", "dark", "", () => {
      const real = HTMLCanvasElement.prototype.getContext
      HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...more: unknown[]) {
        return kind === "webgl2" ? null : Reflect.apply(real, this, [kind, ...more])
      } as never
    })
    await page.evaluate(() => dev.bridge.viewer.compareNode("still"))
    await page.waitForSelector(".ff-flat img")
    await expect.poll(() => page.locator(".ff-flat img").count()).toBe(3)
    await expect.poll(() => page.locator(".ff-viewer-head .ff-warn").textContent()).toContain("no WebGL2")
    await expect.poll(() => page.locator(".ff-choice button:disabled").count()).toBe(3)
  })

  it("comes back when the graphics card takes its context away", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("hero"))
    await drawn()
    const before = await lit(0.5, 0.5)
    await page.evaluate(async () => {
      const canvas = document.querySelector<HTMLCanvasElement>(".ff-stage canvas")
      const lose = canvas?.getContext("webgl2")?.getExtension("WEBGL_lose_context")
      const said = (name: string) => new Promise((done) => canvas?.addEventListener(name, done, { once: true }))
      const lost = said("webglcontextlost")
      lose?.loseContext()
      await lost
      const back = said("webglcontextrestored")
      setTimeout(() => lose?.restoreContext())
      await back
    })
    await expect.poll(() => colour(0.5, 0.5)).toEqual(before)
  })

  it("downloads, places and restores what is looked at", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("hero"))
    await drawn()
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
    await page.waitForFunction(() => dev.kernel.sent.some((one) => one.type === "restore"))
  })

  it("plays a video with the browser's own controls", async () => {
    await open("city")
    await page.evaluate(() => dev.bridge.viewer.openNode("film"))
    await page.waitForFunction(() => (document.querySelector<HTMLVideoElement>(".ff-playing")?.duration ?? 0) > 1)
    await expect.poll(() => page.locator(".ff-playing").getAttribute("controls")).not.toBeNull()
  })

  it("draws a grade while a slider moves, on the node and in the viewer, until the kernel's result is there", async () => {
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
    await drawn()
    await page.waitForSelector(".ff-tag.is-plain")
    const before = await lit(0.5, 0.5)
    await page.locator("[id^=ff-viewer-grade-exposure-]").fill("-1")
    const sum = (of: number[]) => of.reduce((total, value) => total + value)
    await expect.poll(async () => sum(await colour(0.5, 0.5))).toBeLessThan(sum(before))
    await page.keyboard.press("Escape")
    await page.evaluate(() => dev.bridge.editing.run(null))
    await page.waitForSelector(".ff-graded", { state: "detached", timeout: 20_000 })
    await expect.poll(() => page.locator("[data-id=grade] .ff-cell img").count()).toBe(1)
  })

  it("grades as the kernel does, within two of 255", async () => {
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
    console.log(`a grade in the browser is at most ${off.join(", ")} of 255 off the kernel's`)
  })

  for (const theme of ["dark", "light"]) {
    it(`has no serious accessibility violation: viewer and compare, ${theme}`, async () => {
      await open("city", theme)
      for (const which of ["one", "several"]) {
        await page.evaluate((which) => {
          if (which === "one") dev.bridge.viewer.openNode("hero")
          else dev.bridge.viewer.compareNode("still")
        }, which)
        await drawn()
        expect(await violations(".ff-viewer")).toEqual([])
      }
    })
  }
})
