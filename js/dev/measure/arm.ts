/** What both arms of the measurement share: the flow, what runs say, and how one tells that something is on the screen. */

import type { Channel, FromKernel } from "../../src/wire/messages"
import type { RunEvent } from "../../src/wire/run"
import { FakeKernel, type World } from "../fake-kernel"
import { worldOf } from "../scenes"

/** One arm: how it draws the flow, and how it hears of progress. */
export interface Arm {
  /** Draw everything; called once. */
  begin: (place: HTMLElement) => void
  /** Whether all that should be seen is in the page. */
  isDrawn: () => boolean
  /** Take what runs say, in the bundles of the wire. */
  hear: (events: RunEvent[]) => void
  moveTo: (viewport: Viewport) => void
  fit: () => void
}

export interface Viewport {
  x: number
  y: number
  zoom: number
}

export interface Measured {
  /** Milliseconds from having the data to having painted it. */
  first: () => Promise<number>
  moveTo: (viewport: Viewport) => Promise<void>
  fit: () => Promise<void>
  /** Let a hundred nodes say progress, those near the origin among them; returns how to stop, which says how often they did. */
  say: (perSecond: number) => () => number
  /** Frames a second that the page reaches in that time; counting them keeps the page drawing. */
  frames: (ms: number) => Promise<number>
  /** What the page shows of the progress of nodes in view: that updates arrive is seen, not assumed. */
  shown: () => string[]
}

/** As the coalescer of the kernel has it. */
const BUNDLE_MS = 33
/** Nodes at work at a time. */
const RUNNING = 100

export const query = new URLSearchParams(location.search)
export const count = Number(query.get("count") ?? 5000)
export const world: World = worldOf(String(count))

/** A channel that answers with everything a view begins with, made up before the clock starts; `say` is the kernel's. */
export function fed() {
  const kernel = new FakeKernel(world)
  const made = structuredClone(kernel.snapshot())
  kernel.close()
  let seq = made.seq
  let tell = (_message: FromKernel): void => {}
  const channel: Channel = {
    send(message) {
      if (message.type === "ask" && message.what === "snapshot") queueMicrotask(() => tell({ ...made, id: message.id }))
    },
    listen(listener) {
      tell = (message) => listener(message, [])
      return () => {}
    },
  }
  const say = (events: RunEvent[]) => {
    seq += 1
    tell({ type: "events", seq, events: structuredClone(events) })
  }
  return { made, channel, say }
}

const frame = () => new Promise<number>((done) => requestAnimationFrame(done))
/** After the frame that is being made has been painted. */
const painted = () => frame().then(() => new Promise<void>((done) => setTimeout(done, 0)))

/** Nodes whose place is in a view of 1280 × 800 at zoom 1 from the origin. */
const near = world.flow.graph.nodes.filter((node) => node.position.x < 1280 && node.position.y < 800)

/** Hand an arm to whoever measures. */
export function measure(arm: Arm): void {
  const ids = world.flow.graph.nodes.map((node) => node.id)
  const close = near.map((node) => node.id)
  const far = ids.filter((id) => !close.includes(id))
  const step = Math.max(1, Math.floor(far.length / (RUNNING - close.length)))
  const running = [...close, ...far.filter((_, at) => at % step === 0)].slice(0, RUNNING)
  const measured: Measured = {
    async first() {
      const place = document.querySelector<HTMLElement>("#place")
      if (!place) throw new Error("no place")
      await painted()
      const began = performance.now()
      arm.begin(place)
      while (!arm.isDrawn()) await frame()
      await painted()
      return performance.now() - began
    },
    async moveTo(viewport) {
      arm.moveTo(viewport)
      await painted()
    },
    async fit() {
      arm.fit()
      await painted()
    },
    say(perSecond) {
      const began = performance.now()
      let said = 0
      const timer = setInterval(() => {
        const due = Math.floor(((performance.now() - began) / 1000) * perSecond)
        const events: RunEvent[] = []
        for (; said < due; said++) {
          const node_id = running[said % running.length]
          const progress = (Math.floor(said / running.length) % 100) / 100
          events.push({ kind: "job-progress", run_id: "m", node_id, state: "running", progress })
        }
        if (events.length > 0) arm.hear(events)
      }, BUNDLE_MS)
      return () => {
        clearInterval(timer)
        return said
      }
    },
    async frames(ms) {
      const began = await frame()
      let frames = 0
      for (;;) {
        const now = await frame()
        frames += 1
        if (now - began >= ms) return frames / ((now - began) / 1000)
      }
    },
    shown: () => close.map((id) => document.querySelector(`[data-id="${id}"]`)?.textContent ?? ""),
  }
  Object.assign(globalThis, { measured })
}
