/** The dev page: `?scene=city&theme=dark`; everything can be seen and tested without Jupyter. */

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
// The kernel here is JavaScript too: what it takes to make up its words is not the canvas's time.
kernel.listen((message) => message.type === "snapshot" && performance.mark("begin"))
const stop = mountCanvas(document.body, bridge, "100vh")

/** For journeys and measurements. */
export interface Dev {
  kernel: FakeKernel
  bridge: typeof bridge
  stop: () => void
  draw: typeof mountCanvas
  flow: () => ReactFlowInstance | null
  reduce: (events: RunEvent[]) => void
  /** The widget as anywidget has it: a module from a blob. */
  load: (url: string) => Promise<{ default: typeof widget }>
  /** Drop pictures of the dev page's where a pointer would, with what a browser tells then. */
  drop: (names: string[], at: { x: number; y: number }, kind?: "drop" | "paste") => Promise<void>
  /** Mark a result of a node to compare: the one at a place in its order. */
  mark: (nodeId: string, at: number) => void
  /** The pixels of a picture drawn as it is, through the table of a grade: red, green, blue, row by row. */
  graded: (url: string, settings: Partial<Grade>) => Promise<number[]>
}

async function drop(names: string[], at: { x: number; y: number }, kind: "drop" | "paste" = "drop"): Promise<void> {
  const held = new DataTransfer()
  for (const name of names) {
    const bytes = await (await fetch(`pictures/${name}.webp`)).blob()
    held.items.add(new File([bytes], `${name}.webp`, { type: "image/webp" }))
  }
  const about = { bubbles: true, cancelable: true, clientX: at.x, clientY: at.y, dataTransfer: held }
  const element = document.elementFromPoint(at.x, at.y)
  if (kind === "paste") {
    document.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: held }))
    return
  }
  element?.dispatchEvent(new DragEvent("dragover", about))
  element?.dispatchEvent(new DragEvent("drop", about))
}

async function graded(url: string, settings: Partial<Grade>): Promise<number[]> {
  const picture = await loadPicture(url)
  const letGo = acquireGrader(() => undefined)
  const canvas = document.createElement("canvas")
  canvas.width = picture.naturalWidth
  canvas.height = picture.naturalHeight
  if (!letGo || !drawGraded(canvas, picture, gradeTable({ ...NEUTRAL_GRADE, ...settings })))
    throw new Error("no WebGL2")
  const { data } = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, canvas.width, canvas.height)
  letGo()
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
