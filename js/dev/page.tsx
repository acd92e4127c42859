/** Dev page: `?scene=city&theme=dark`. Shows and tests the canvas without Jupyter. */

import type { ReactFlowInstance } from "@xyflow/react"
import { type Grade, gradeTable, NEUTRAL_GRADE } from "../src/gl/grade-table"
import { acquireGrader, drawGraded } from "../src/gl/grader"
import { loadPicture } from "../src/gl/picture"
import type widget from "../src/index"
import { createBridgeOver, mountCanvas } from "../src/index"
import { reduceRunEvents } from "../src/state/runs"
import { nodeResults } from "../src/state/viewer-state"
import type { RunEvent } from "../src/wire/run"
import { FakeKernel } from "./fake-kernel"
import { worldOf } from "./scenes"

const query = new URLSearchParams(location.search)
document.body.dataset.theme = query.get("theme") ?? "dark"
const world = worldOf(query.get("scene") ?? "city")
if (query.get("bytes") === "kernel") world.bytes = "kernel"
const kernel = new FakeKernel(world)
const bridge = createBridgeOver(kernel)
// Start measuring here, because the fake kernel also runs in this page.
kernel.listen((message) => message.type === "snapshot" && performance.mark("begin"))
const stop = mountCanvas(document.body, bridge, "100vh")

/** API of the dev page for browser tests and measurements. */
export interface Dev {
  kernel: FakeKernel
  bridge: typeof bridge
  stop: () => void
  draw: typeof mountCanvas
  flow: () => ReactFlowInstance | null
  reduce: (events: RunEvent[]) => void
  /** Import the widget module from a blob URL, as anywidget does. */
  load: (url: string) => Promise<{ default: typeof widget }>
  /** Simulate a drop or paste of pictures at a point. */
  drop: (names: string[], at: { x: number; y: number }, kind?: "drop" | "paste") => Promise<void>
  /** Mark the result at an index of a node for comparison. */
  mark: (nodeId: string, at: number) => void
  /** Pixels of a picture after grading, as red, green, blue, row by row. */
  graded: (url: string, settings: Partial<Grade>) => Promise<number[]>
}

async function drop(names: string[], at: { x: number; y: number }, kind: "drop" | "paste" = "drop"): Promise<void> {
  const data = new DataTransfer()
  for (const name of names) {
    const bytes = await (await fetch(`pictures/${name}.webp`)).blob()
    data.items.add(new File([bytes], `${name}.webp`, { type: "image/webp" }))
  }
  const init = { bubbles: true, cancelable: true, clientX: at.x, clientY: at.y, dataTransfer: data }
  const element = document.elementFromPoint(at.x, at.y)
  if (kind === "paste") {
    document.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data }))
    return
  }
  element?.dispatchEvent(new DragEvent("dragover", init))
  element?.dispatchEvent(new DragEvent("drop", init))
}

async function graded(url: string, settings: Partial<Grade>): Promise<number[]> {
  const picture = await loadPicture(url)
  const release = acquireGrader(() => undefined)
  const canvas = document.createElement("canvas")
  canvas.width = picture.naturalWidth
  canvas.height = picture.naturalHeight
  if (!release || !drawGraded(canvas, picture, gradeTable({ ...NEUTRAL_GRADE, ...settings })))
    throw new Error("no WebGL2")
  const { data } = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, canvas.width, canvas.height)
  release()
  return [...data].filter((_, at) => at % 4 !== 3)
}

const reduce = (events: RunEvent[]) => bridge.store.setState(({ runs }) => ({ runs: reduceRunEvents(runs, events) }))
Object.assign(globalThis, {
  dev: {
    kernel,
    bridge,
    stop,
    draw: mountCanvas,
    flow: () => bridge.flow.current,
    reduce,
    load: (url) => import(url),
    drop,
    graded,
    mark: (nodeId, at) => {
      const ref = nodeResults(bridge.store.getState(), bridge.derived, nodeId)[at]
      if (ref) bridge.viewer.toggleMark(ref)
    },
  } satisfies Dev,
})
