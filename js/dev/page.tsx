/** The dev page: `?scene=city&theme=dark`; everything can be seen and tested without Jupyter. */

import type { ReactFlowInstance } from "@xyflow/react"
import type widget from "../src/index"
import { bridgeOver, draw } from "../src/index"
import { reduced } from "../src/state/runs"
import type { RunEvent } from "../src/wire/run"
import { FakeKernel } from "./fake-kernel"
import { worldOf } from "./scenes"

const query = new URLSearchParams(location.search)
document.body.dataset.theme = query.get("theme") ?? "dark"
const world = worldOf(query.get("scene") ?? "city")
if (query.get("bytes") === "kernel") world.bytes = "kernel"
const kernel = new FakeKernel(world)
const bridge = bridgeOver(kernel)
// The kernel here is JavaScript too: what it takes to make up its words is not the canvas's time.
kernel.listen((message) => message.type === "snapshot" && performance.mark("begin"))
const stop = draw(document.body, bridge, "100vh")

/** For journeys and measurements. */
export interface Dev {
  kernel: FakeKernel
  bridge: typeof bridge
  stop: () => void
  draw: typeof draw
  flow: () => ReactFlowInstance | null
  reduce: (events: RunEvent[]) => void
  /** The widget as anywidget has it: a module from a blob. */
  load: (url: string) => Promise<{ default: typeof widget }>
  /** Drop pictures of the dev page's where a pointer would, with what a browser tells then. */
  drop: (names: string[], at: { x: number; y: number }, kind?: "drop" | "paste") => Promise<void>
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

const reduce = (events: RunEvent[]) => bridge.store.setState(({ runs }) => ({ runs: reduced(runs, events) }))
Object.assign(globalThis, {
  dev: {
    kernel,
    bridge,
    stop,
    draw,
    flow: () => bridge.flow.current,
    reduce,
    load: (url) => import(url),
    drop,
  } satisfies Dev,
})
