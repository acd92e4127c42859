/** Browser tests of the panels: tape, file, view size, empty state and accessibility. */

import { describe, expect, it } from "vitest"
import type { Dev } from "../../dev/page"
import { hasBrowser, journeys } from "./harness"

declare const dev: Dev

describe.skipIf(!hasBrowser)("the panels in a browser", () => {
  const { open, drag, center, violations } = journeys()

  it("places a tape frame as a file by dragging and by keyboard", async () => {
    const page = await open("city")
    await drag(await center(page.locator(".ff-frame").nth(2)), { x: 500, y: -160 })
    await page.mouse.up()
    await page.waitForFunction(() => dev.kernel.document.nodes.has("load_image_1"))
    const asset = await page.evaluate(() => dev.kernel.document.nodes.get("load_image_1")?.params.asset)
    expect(asset).toMatchObject({ sha256: "2".padStart(64, "0"), media_type: "image/webp", size_bytes: 180_000 })
    await page.locator(".ff-frame").first().focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Shift+Enter")
    await page.waitForFunction(() => dev.kernel.document.nodes.has("load_image_2"))
  })

  it("restores a frame on double-click", async () => {
    const page = await open("city")
    await page.locator(".ff-frame").nth(1).dblclick()
    await page.waitForFunction(() => dev.kernel.sent.some((message) => message.type === "restore"))
    const sent = await page.evaluate(() => dev.kernel.sent.find((message) => message.type === "restore"))
    expect(sent).toMatchObject({ generation_id: "g1" })
    await page.waitForSelector(".ff-notice.is-bad") // the dev page refuses to restore
  })

  it("shows the tape of all flows and loads older frames", async () => {
    const page = await open("city")
    await page.getByRole("button", { name: "All", exact: true }).click()
    await page.waitForFunction(() => document.querySelector(".ff-tape-label")?.textContent?.includes("9,210"))
    await page.locator(".ff-frames").evaluate((frames) => frames.scrollTo({ left: 9999 }))
    await page.waitForFunction(() => document.querySelectorAll(".ff-frame").length === 20)
  })

  it("shows SQL and Python source", async () => {
    const page = await open("city")
    await page.getByRole("button", { name: "Query in SQL" }).click()
    await expect.poll(() => page.locator(".ff-source pre").textContent()).toContain("%%tape")
    await page.keyboard.press("Escape")
    await page.evaluate(() => dev.bridge.root.current?.focus())
    await page.keyboard.press("p")
    await page.waitForFunction(() => document.querySelector(".ff-source pre")?.textContent?.includes("ff.Flow"))
  })

  it("pauses saving on a file conflict until the user chooses", async () => {
    const page = await open("city")
    await page.evaluate(() => dev.kernel.conflict())
    await page.waitForSelector(".ff-conflict")
    await expect.poll(() => page.locator(".ff-saved").textContent()).toContain("changed on disk")
    await page.getByRole("button", { name: "Keep mine" }).click()
    await page.waitForSelector(".ff-conflict", { state: "detached" })
    const how = await page.evaluate(() =>
      dev.kernel.sent.flatMap((message) => (message.type === "save" ? [message.how] : [])),
    )
    expect(how).toEqual(["keep_mine"])
  })

  it("toggles full height and full screen", async () => {
    const page = await open("city")
    const height = () => page.locator(".ff-holder").evaluate((holder) => holder.getBoundingClientRect().height)
    const before = await height()
    await page.keyboard.press("h")
    await expect.poll(height).toBe(before - 110)
    await page.keyboard.press("h")
    await expect.poll(height).toBe(before)
    const isFull = () => document.fullscreenElement !== null || document.querySelector(".ff-holder[data-full]") !== null
    await page.keyboard.press("Shift+F")
    await page.waitForFunction(isFull)
    await page.keyboard.press("Shift+F")
    await page.waitForFunction(`!(${isFull})()`)
  })

  it("inserts a template and undoes it in one step", async () => {
    const page = await open("empty")
    await expect.poll(() => page.locator(".ff-sketch").count()).toBe(4)
    await expect.poll(() => page.locator(".ff-sketch").nth(1).locator("g").count()).toBe(4)
    await page.getByRole("button", { name: /^A sweep/ }).click()
    await page.waitForFunction(() => dev.kernel.document.nodes.size === 4)
    await page.evaluate(() => dev.bridge.root.current?.focus())
    await page.keyboard.press("Control+z")
    await page.waitForSelector(".ff-start")
  })

  const panels: [string, string, () => void][] = [
    ["groups and comments", "notes", () => dev.bridge.editing.select(["group/g2"])],
    ["the run menu", "city", () => dev.bridge.store.setState({ panel: { kind: "run" } })],
    ["the file menu and a conflict", "city", () => dev.kernel.conflict()],
    ["the model picker", "city", () => document.querySelector<HTMLElement>("[data-id=still] .ff-select")?.click()],
    ["the run confirmation", "large", () => document.querySelector<HTMLElement>(".ff-button.is-primary")?.click()],
    ["a large batch", "many", () => undefined],
  ]
  for (const [name, scene, act] of panels) {
    it(`has no serious accessibility violation: ${name}, in both themes`, async () => {
      const page = await open(scene)
      await page.evaluate(act)
      expect(await violations()).toEqual([])
      await page.evaluate(() => {
        document.body.dataset.theme = "light"
      })
      await page.waitForSelector(".ff-holder.is-light")
      expect(await violations()).toEqual([])
    }, 20_000)
  }
})
