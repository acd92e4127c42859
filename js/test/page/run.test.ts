/** Browser tests of the run menu, the confirmation of large runs, and batches. */

import { describe, expect, it } from "vitest"
import type { Dev } from "../../dev/page"
import { hasBrowser, journeys } from "./harness"

declare const dev: Dev

describe.skipIf(!hasBrowser)("running", () => {
  const { open } = journeys()
  const runs = () =>
    dev.kernel.sent.flatMap((message) =>
      message.type === "run" ? [{ targets: message.targets, yes: message.is_confirmed }] : [],
    )

  it("runs a choice of the run menu by keyboard", async () => {
    const page = await open("city")
    await page.keyboard.press("Shift+Space")
    const rows = page.locator("[role=menuitem]")
    await expect.poll(() => rows.nth(0).textContent()).toContain("Run everything$0.42")
    await expect.poll(() => rows.nth(2).textContent()).toContain("nothing is selected")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.waitForSelector(".ff-button.is-cancel")
    await expect.poll(() => page.evaluate(runs)).toEqual([{ targets: ["film"], yes: undefined }])
  })

  it("confirms a large run with its price and call count", async () => {
    const page = await open("large")
    await page.locator(".ff-button.is-primary").click()
    const dialog = page.getByRole("dialog", { name: "Run anyway?" })
    await dialog.waitFor()
    // A hero and four variations at $0.04, at most a film at $0.42; the local nodes cost nothing.
    await expect.poll(() => dialog.locator("dd").allTextContents()).toEqual(["$0.20–0.62", "6"])
    await expect.poll(() => page.locator(".ff-chip.is-run").count()).toBe(0)
    await dialog.getByRole("button", { name: /^Run anyway/ }).click()
    await page.waitForSelector(".ff-button.is-cancel")
    expect((await page.evaluate(runs)).map((run) => run.yes)).toEqual([undefined, true])
  })

  it("does not run if the confirmation is cancelled", async () => {
    const page = await open("large")
    await page.locator(".ff-button.is-primary").click()
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click()
    await expect.poll(() => page.locator(".ff-chip.is-run").count()).toBe(0)
    await expect.poll(() => page.evaluate(runs)).toHaveLength(1)
  })

  it("retries the failed node", async () => {
    const page = await open("error")
    await page.locator("[data-id=broken]").getByRole("button", { name: "Retry" }).click()
    await page.waitForSelector("[data-id=broken] .ff-chip.is-run")
    await expect.poll(() => page.evaluate(runs)).toEqual([{ targets: ["broken"], yes: undefined }])
  })

  it("labels a batch by its axes, and picks a cell with a node", async () => {
    const page = await open("batch")
    await expect
      .poll(() => page.locator("[data-id=sweep] .ff-header").allTextContents())
      .toEqual(["seed 7", " 21", " 42"])
    await expect.poll(() => page.locator("[data-id=sweep] .ff-side").count()).toBe(3)
    await page.getByRole("button", { name: "Pick desert dunes at sunset / 21" }).focus()
    await page.keyboard.press("Enter")
    await page.waitForFunction(() => dev.kernel.document.nodes.has("pick_image_1"))
    const picked = await page.evaluate(() => [
      dev.kernel.document.nodes.get("pick_image_1")?.params.label,
      dev.kernel.document.edges.some(
        (edge) => edge.source === "sweep" && edge.target === "pick_image_1" && edge.targetHandle === "items",
      ),
    ])
    expect(picked).toEqual(["desert dunes at sunset / 21", true])
    await page.evaluate(() => dev.bridge.root.current?.focus())
    await page.keyboard.press("Control+z")
    await page.waitForFunction(() => !dev.kernel.document.nodes.has("pick_image_1"))
  })

  it("shows all cells of a batch in a strip", async () => {
    const page = await open("many")
    await expect.poll(() => page.locator("[data-id=sweep] .ff-more").textContent()).toBe("+22")
    await page.evaluate(() => dev.bridge.editing.select(["sweep"]))
    await page.getByRole("button", { name: "Strip" }).click()
    await page.waitForFunction(() => document.querySelectorAll("[data-id=sweep] .ff-slot").length === 42)
  })
})
