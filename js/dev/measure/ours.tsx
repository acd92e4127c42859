/** Arm `ours`: this canvas over a fake channel. */

import { createBridgeOver, mountCanvas } from "../../src/index"
import { createFakeChannel, measure } from "./arm"

const { channel, sendEvents } = createFakeChannel()
let bridge: ReturnType<typeof createBridgeOver> | null = null
const flow = () => bridge?.flow.current

measure({
  begin(place) {
    bridge = createBridgeOver(channel)
    mountCanvas(place, bridge, "100vh")
  },
  isDrawn: () => document.querySelector(".ff-overview, .ff-card") !== null,
  update: sendEvents,
  moveTo: (viewport) => void flow()?.setViewport(viewport),
  fit() {
    const key = new KeyboardEvent("keydown", { key: "f", bubbles: true })
    document.querySelector(".ff-root")?.dispatchEvent(key)
  },
})
