/** Browser tests of groups, comments, alignment and layout. */

import { describe, expect, it } from "vitest"
import type { Dev } from "../../dev/page"
import { hasBrowser, journeys } from "./harness"

declare const dev: Dev

describe.skipIf(!hasBrowser)("arranging", () => {
  const { open, drag, center } = journeys()

  it("groups the selection, names the group, and undoes both", async () => {
    const page = await open("city")
    await page.evaluate(() => dev.bridge.editing.select(["hero", "large"]))
    await page.keyboard.press("g")
    await page.waitForSelector(".ff-region input:focus")
    await page.keyboard.type("Shots")
    await page.keyboard.press("Enter")
    const titles = () =>
      page.evaluate(() =>
        ((dev.kernel.document.layout.groups ?? []) as { title: string }[]).map((group) => group.title),
      )
    await page.waitForFunction(
      () => ((dev.kernel.document.layout.groups ?? []) as { title: string }[])[0]?.title === "Shots",
    )
    await page.evaluate(() => dev.bridge.root.current?.focus())
    await page.keyboard.press("Control+z")
    await page.keyboard.press("Control+z")
    await page.waitForFunction(() => (dev.kernel.document.layout.groups as unknown[]).length === 0)
    await expect.poll(titles).toEqual([])
  })

  it("moves a group with its members as one edit", async () => {
    const page = await open("notes")
    await drag(await center(page.locator('[data-id="group/g2"] .ff-title')), { x: 0, y: 64 })
    await page.mouse.up()
    await page.waitForFunction(() => (dev.kernel.document.layout.groups as { y: number }[])[1]?.y !== 404)
    const [sent, by, hero] = await page.evaluate(() => {
      const group = (dev.kernel.document.layout.groups as { x: number; y: number }[])[1]
      const sheet = dev.kernel.document.looks.get("sheet")
      return [
        dev.kernel.sent.filter((message) => message.type === "edits").length,
        [(group?.x ?? 0) + 20, (group?.y ?? 0) - 404, (sheet?.x ?? 0) - 696, (sheet?.y ?? 0) - 460],
        dev.kernel.document.looks.get("hero")?.y,
      ]
    })
    expect(sent).toBe(1)
    expect(hero).toBe(0)
    expect([by[2], by[3]]).toEqual([by[0], by[1]])
  })

  it("resizes, colors and removes a group, keeping its nodes", async () => {
    const page = await open("notes")
    await page.evaluate(() => dev.bridge.editing.select(["group/g2"]))
    await page.locator(".ff-corner").focus()
    await page.keyboard.press("ArrowRight")
    await page.waitForFunction(() => (dev.kernel.document.layout.groups as { width: number }[])[1]?.width === 1040)
    await page.getByRole("button", { name: "rose" }).click()
    await page.waitForFunction(() => (dev.kernel.document.layout.groups as { color: string }[])[1]?.color === "#d1577f")
    await page.evaluate(() => dev.bridge.root.current?.focus())
    await page.keyboard.press("Delete")
    await page.waitForFunction(() => (dev.kernel.document.layout.groups as unknown[]).length === 1)
    await expect.poll(() => page.evaluate(() => dev.kernel.document.nodes.size)).toBe(7)
  })

  it("adds a comment from the keyboard", async () => {
    const page = await open("city")
    await page.keyboard.press("Shift+C")
    await page.waitForSelector(".ff-comment textarea:focus")
    await page.keyboard.type("Ask Mira.")
    await page.keyboard.press("Control+Enter")
    await page.waitForFunction(
      () => (dev.kernel.document.layout.comments as { text: string }[] | undefined)?.[0]?.text === "Ask Mira.",
    )
    await expect.poll(() => page.locator(".ff-comment p").textContent()).toBe("Ask Mira.")
  })

  it("snaps a dragged node to guides, except while Alt is held", async () => {
    const page = await open("city")
    const from = await center(page.locator("[data-id=seeds] .ff-title"))
    const zoom = await page.evaluate(() => dev.flow()?.getZoom() ?? 1)
    await drag(from, { x: 3 * zoom, y: 60 })
    await page.waitForSelector(".ff-guide.is-x")
    await page.mouse.up()
    await page.waitForFunction(() => (dev.kernel.document.looks.get("seeds")?.y ?? 0) > 400)
    await expect.poll(() => page.evaluate(() => dev.kernel.document.looks.get("seeds")?.x)).toBe(0)
    await expect.poll(() => page.locator(".ff-guide").count()).toBe(0)
    await page.keyboard.down("Alt")
    await drag(await center(page.locator("[data-id=seeds] .ff-title")), { x: 3 * zoom, y: 40 })
    await page.mouse.up()
    await page.keyboard.up("Alt")
    await page.waitForFunction(() => (dev.kernel.document.looks.get("seeds")?.x ?? 0) !== 0)
    const x = await page.evaluate(() => dev.kernel.document.looks.get("seeds")?.x ?? 0)
    expect(x).toBeGreaterThan(1) // neither the guide at 0 nor the 8 px grid
    expect(x).toBeLessThan(5)
  })

  it("copies and pastes groups and comments", async () => {
    const page = await open("notes")
    await page.evaluate(() => dev.bridge.editing.select(["group/g1", "comment/c1"]))
    await page.keyboard.press("Control+c")
    await page.keyboard.press("Control+v")
    await page.waitForFunction(() => (dev.kernel.document.layout.groups as unknown[]).length === 3)
    const counts = await page.evaluate(() => [
      (dev.kernel.document.layout.comments as unknown[]).length,
      dev.kernel.document.nodes.size,
    ])
    expect(counts).toEqual([2, 10])
  })

  it("drops a palette row on the canvas and picks a color", async () => {
    const page = await open("city")
    await page.keyboard.press("Tab")
    await page.keyboard.type("text overlay")
    await drag(await center(page.locator(".ff-palette .ff-option").first()), { x: -260, y: 140 })
    await page.mouse.up()
    await page.waitForFunction(() => dev.kernel.document.nodes.has("text_overlay_1"))
    await expect.poll(() => page.locator(".ff-palette").count()).toBe(0)
    await page.evaluate(() => dev.bridge.store.setState({ isInspectorOpen: true }))
    const fill = page.getByLabel("fill (picker)", { exact: true }).last()
    await expect.poll(() => fill.inputValue()).toBe("#ffffff") // `white` as hex
    await fill.fill("#00aaff")
    await page.waitForFunction(() => dev.kernel.document.nodes.get("text_overlay_1")?.params.fill === "#00aaff")
  })

  it("lays out nodes without positions, and tidies all nodes", async () => {
    const page = await open("empty")
    await page.evaluate(() => {
      const edges = ["a", "b"].map((target) => ({
        source: "seed",
        sourceHandle: "text",
        target,
        targetHandle: "prompt",
      }))
      dev.kernel.edit([
        ...["b", "a"].map((id) => ({ kind: "add_node" as const, node: { id, type: "generate_image" } })),
        { kind: "add_node" as const, node: { id: "seed", type: "text" } },
        ...edges.map((edge) => ({ kind: "add_edge" as const, edge })),
      ])
    })
    const lefts = () =>
      page.evaluate(() => {
        const rects = dev.bridge.editing.allRects()
        return ["seed", "a", "b"].map((id) => rects.find((rect) => rect.id === id)?.x)
      })
    await expect.poll(async () => new Set(await lefts()).size).toBe(2)
    const [first, second, third] = await lefts()
    expect(second).toBe(third)
    expect(first).toBeLessThan(second ?? 0)
    await page.evaluate(() => dev.kernel.edit([{ kind: "set_layout", node_id: "seed", fields: { x: 4000, y: 900 } }]))
    await page.waitForFunction(() => dev.bridge.store.getState().shared.document.looks.get("seed")?.x === 4000)
    await page.keyboard.press("Shift+T")
    await page.waitForFunction(() => dev.kernel.document.looks.size === 3)
    const [before, after] = await lefts()
    expect(before).toBeLessThan(after ?? 0)
  })
})
