/** Shared by all arms of the benchmark: the flow, run events, and checks of what is on the screen. */

import type { Channel, FromKernel } from "../../src/wire/messages"
import type { RunEvent } from "../../src/wire/run"
import { FakeKernel, type World } from "../fake-kernel"
import { worldOf } from "../scenes"

/** One arm: how it renders the flow and receives progress. */
export interface Arm {
  /** Render everything; called once. */
  begin: (place: HTMLElement) => void
  /** Whether everything visible is in the page. */
  isDrawn: () => boolean
  /** Receive a batch of run events. */
  update: (events: RunEvent[]) => void
  moveTo: (viewport: Viewport) => void
  fit: () => void
}

export interface Viewport {
  x: number
  y: number
  zoom: number
}

export interface Measured {
  /** Milliseconds from having the data to the first paint. */
  firstRender: () => Promise<number>
  moveTo: (viewport: Viewport) => Promise<void>
  fit: () => Promise<void>
  /** Send progress of a hundred nodes, including those near the origin. The returned function stops it and returns the count. */
  sendProgress: (perSecond: number) => () => number
  /** Frames per second over a period; counting them keeps the page painting. */
  frames: (ms: number) => Promise<number>
  /** Texts of the nodes in view, to verify that updates arrive. */
  shown: () => string[]
}

/** Interval of the kernel's event batches. */
const BATCH_MS = 33
/** Nodes that run at a time. */
const RUNNING = 100

export const query = new URLSearchParams(location.search)
export const count = Number(query.get("count") ?? 5000)
export const world: World = worldOf(String(count))

/** Channel that replies with a prepared snapshot; `sendEvents` sends run events as the kernel would. */
export function createFakeChannel() {
  const kernel = new FakeKernel(world)
  const snapshot = structuredClone(kernel.snapshot())
  kernel.close()
  let seq = snapshot.seq
  let notify = (_message: FromKernel): void => {}
  const channel: Channel = {
    send(message) {
      if (message.type === "ask" && message.what === "snapshot")
        queueMicrotask(() => notify({ ...snapshot, id: message.id }))
    },
    listen(listener) {
      notify = (message) => listener(message, [])
      return () => {}
    },
  }
  const sendEvents = (events: RunEvent[]) => {
    seq += 1
    notify({ type: "events", seq, events: structuredClone(events) })
  }
  return { snapshot, channel, sendEvents }
}

const frame = () => new Promise<number>((done) => requestAnimationFrame(done))
/** Resolves after the current frame is painted. */
const afterPaint = () => frame().then(() => new Promise<void>((done) => setTimeout(done, 0)))

/** Nodes in a view of 1280 × 800 at zoom 1 from the origin. */
const near = world.flow.graph.nodes.filter((node) => node.position.x < 1280 && node.position.y < 800)

/** Expose an arm to the benchmark script. */
export function measure(arm: Arm): void {
  const ids = world.flow.graph.nodes.map((node) => node.id)
  const close = near.map((node) => node.id)
  const far = ids.filter((id) => !close.includes(id))
  const step = Math.max(1, Math.floor(far.length / (RUNNING - close.length)))
  const running = [...close, ...far.filter((_, at) => at % step === 0)].slice(0, RUNNING)
  const measured: Measured = {
    async firstRender() {
      const place = document.querySelector<HTMLElement>("#place")
      if (!place) throw new Error("#place is missing")
      await afterPaint()
      const startedAt = performance.now()
      arm.begin(place)
      while (!arm.isDrawn()) await frame()
      await afterPaint()
      return performance.now() - startedAt
    },
    async moveTo(viewport) {
      arm.moveTo(viewport)
      await afterPaint()
    },
    async fit() {
      arm.fit()
      await afterPaint()
    },
    sendProgress(perSecond) {
      const startedAt = performance.now()
      let sentCount = 0
      const timer = setInterval(() => {
        const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
        const events: RunEvent[] = []
        for (; sentCount < due; sentCount++) {
          const node_id = running[sentCount % running.length]
          const progress = (Math.floor(sentCount / running.length) % 100) / 100
          events.push({ kind: "job-progress", run_id: "m", node_id, state: "running", progress })
        }
        if (events.length > 0) arm.update(events)
      }, BATCH_MS)
      return () => {
        clearInterval(timer)
        return sentCount
      }
    },
    async frames(ms) {
      const startedAt = await frame()
      let frames = 0
      for (;;) {
        const now = await frame()
        frames += 1
        if (now - startedAt >= ms) return frames / ((now - startedAt) / 1000)
      }
    },
    shown: () => close.map((id) => document.querySelector(`[data-id="${id}"]`)?.textContent ?? ""),
  }
  Object.assign(globalThis, { measured })
}
