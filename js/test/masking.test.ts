import { inflateSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { greyPng } from "../src/mask/png"
import {
  activeSteps,
  addStep,
  brightness,
  emptyHistory,
  MAX_BRUSH_PX,
  MIN_BRUSH_PX,
  redoStep,
  resizeBrush,
  strokeOutline,
  undoStep,
} from "../src/mask/strokes"
import { fitView, toPicturePoint, zoomView } from "../src/mask/view"
import { applyEdits } from "../src/state/apply"
import { emptyDocument } from "../src/state/document"
import { freeBelow, maskBasis, maskEdits } from "../src/state/masking"
import { emptyRuns, withResults } from "../src/state/runs"
import { type CanvasState, createCanvasStore } from "../src/state/store"
import type { Edit } from "../src/wire/flow"
import { catalog } from "./catalog"

const ASSET = { sha256: "cd".repeat(32), media_type: "image/png", size_bytes: 9 }
const OTHER = { ...ASSET, sha256: "ef".repeat(32) }
const SETUP: Edit[] = [
  { kind: "add_node", node: { id: "still", type: "generate_image" } },
  { kind: "add_node", node: { id: "edit", type: "edit_image" } },
  { kind: "add_edge", edge: { source: "still", sourceHandle: "image", target: "edit", targetHandle: "image" } },
]

function stateAfter(edits: Edit[], pictures: number): CanvasState {
  const state = createCanvasStore().getState()
  const jobs = Array.from({ length: pictures }, (_, index) => ({
    coordinate: [["seed", String(index)]] as [string, string][],
    state: "succeeded" as const,
    cells: [{ port: "image", coordinate: [["seed", String(index)]] as [string, string][], sha256: `p${index}` }],
  }))
  return {
    ...state,
    catalog,
    runs: withResults(emptyRuns, { still: jobs }),
    shared: { ...state.shared, document: applyEdits(emptyDocument, edits).document },
  }
}

describe("a mask", () => {
  it("starts from the first image of the node's input", () => {
    expect(maskBasis(stateAfter(SETUP, 2), "edit", "mask")).toMatchObject({
      picture: { sha256: "p0" },
      pictures: 2,
      mask: null,
    })
    expect(maskBasis(stateAfter(SETUP, 0), "edit", "mask")).toMatchObject({ picture: null, picturePort: "image" })
  })

  it("is connected in one step and reuses its node afterwards", () => {
    const first = maskEdits(stateAfter(SETUP, 1), "edit", "mask", ASSET, { x: 0, y: 0 })
    const after = stateAfter([...SETUP, ...first], 1)
    expect(after.shared.document.edges).toContainEqual(
      expect.objectContaining({ target: "edit", targetHandle: "mask" }),
    )
    expect(maskBasis(after, "edit", "mask").mask).toMatchObject({ sha256: ASSET.sha256 })
    const repainted = applyEdits(
      after.shared.document,
      maskEdits(after, "edit", "mask", OTHER, { x: 0, y: 0 }),
    ).document
    expect(repainted.nodes.size).toBe(after.shared.document.nodes.size)
    expect([...repainted.nodes.values()].at(-1)?.params).toMatchObject({ name: "mask", asset: OTHER })
  })

  it("never overwrites the user's images or shared masks", () => {
    const connect = (target: string): Edit => ({
      kind: "add_edge",
      edge: { source: "own", sourceHandle: "image", target, targetHandle: "mask" },
    })
    const holder = (name: string): Edit => ({
      kind: "add_node",
      node: { id: "own", type: "load_image", params: { asset: ASSET, name } },
    })
    const second: Edit = { kind: "add_node", node: { id: "second", type: "apply_mask" } }
    for (const setup of [
      [...SETUP, holder("holiday.png"), connect("edit")],
      [...SETUP, second, holder("mask"), connect("edit"), connect("second")],
    ]) {
      const state = stateAfter(setup, 1)
      const result = applyEdits(state.shared.document, maskEdits(state, "edit", "mask", OTHER, { x: 0, y: 0 })).document
      expect(result.nodes.get("own")?.params.asset).toEqual(ASSET)
      expect(result.edges.filter((edge) => edge.target === "edit" && edge.targetHandle === "mask")).toHaveLength(1)
    }
  })

  it("is placed where it covers no other node", () => {
    const rects = [
      { id: "a", x: 0, y: 0, width: 280, height: 300 },
      { id: "b", x: 100, y: 350, width: 280, height: 300 },
    ]
    const at = freeBelow(rects, { x: 20, y: 10 })
    expect(at.y).toBeGreaterThanOrEqual(650)
    expect(freeBelow(rects, { x: 2000, y: 0 })).toEqual({ x: 2000, y: 0 })
  })

  it("is encoded as a grayscale PNG", async () => {
    const grey = Uint8Array.from([0, 128, 255, 7, 8, 9])
    const bytes = Buffer.from(await (await greyPng(grey, 3, 2)).arrayBuffer())
    expect(bytes.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n")
    expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes[24], bytes[25]]).toEqual([3, 2, 8, 0])
    const length = bytes.readUInt32BE(33)
    expect([...inflateSync(bytes.subarray(41, 41 + length))]).toEqual([0, 0, 128, 255, 0, 7, 8, 9])
    expect(bytes.subarray(-12).toString("hex")).toBe("0000000049454e44ae426082")
  })
})

describe("mask steps", () => {
  it("can be undone and redone until a new step is added", () => {
    const two = addStep(addStep(emptyHistory, { kind: "invert" }), { kind: "clear" })
    expect(activeSteps(undoStep(two))).toEqual([{ kind: "invert" }])
    expect(activeSteps(redoStep(undoStep(two)))).toEqual(activeSteps(two))
    const other = addStep(undoStep(two), { kind: "invert" })
    expect(activeSteps(redoStep(other))).toEqual([{ kind: "invert" }, { kind: "invert" }])
    expect(undoStep(emptyHistory)).toEqual(emptyHistory)
  })

  it("have outlines as wide as the brush and pen pressure", () => {
    const heightOf = (hasPressure: boolean, pressure: number) => {
      const spots = Array.from({ length: 30 }, (_, index): [number, number, number] => [index * 10, 0, pressure])
      const ys = strokeOutline({ kind: "stroke", spots, size: 40, feather: 0, isEraser: false, hasPressure })
        .filter(([x]) => x > 100 && x < 200)
        .map(([, y]) => y)
      return Math.max(...ys) - Math.min(...ys)
    }
    expect(heightOf(false, 0.1)).toBeCloseTo(40, 0)
    expect(heightOf(true, 0.1)).toBeLessThan(heightOf(true, 0.9))
  })

  it("use brush sizes within the limits", () => {
    expect(resizeBrush(100, 1)).toBe(120)
    expect(resizeBrush(MIN_BRUSH_PX, -1)).toBe(MIN_BRUSH_PX)
    expect(resizeBrush(MAX_BRUSH_PX, 1)).toBe(MAX_BRUSH_PX)
    expect(resizeBrush(3, 1)).toBe(4)
  })

  it("start from the brightness of an image over black", () => {
    expect(brightness(255, 255, 255, 255)).toBe(255)
    expect(brightness(255, 255, 255, 0)).toBe(0)
    expect(brightness(0, 255, 0, 255)).toBe(150)
  })
})

describe("the painter's view", () => {
  it("fits the image and zooms around the pointer", () => {
    const view = fitView({ width: 1000, height: 500 }, { width: 4000, height: 1000 })
    expect(toPicturePoint(view, { x: 500, y: 250 })).toEqual({ x: 2000, y: 500 })
    const at = { x: 120, y: 300 }
    const before = toPicturePoint(view, at)
    const after = toPicturePoint(zoomView(view, 3, at), at)
    expect(after.x).toBeCloseTo(before.x)
    expect(after.y).toBeCloseTo(before.y)
    expect(fitView({ width: 1000, height: 500 }, { width: 10, height: 10 }).zoom).toBe(2)
  })
})
