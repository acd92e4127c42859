/** Our canvas over a channel that says what a kernel would. */

import { createBridgeOver, mountCanvas } from "../../src/index"
import { fed, measure } from "./arm"

const { channel, say } = fed()
let bridge: ReturnType<typeof createBridgeOver> | null = null
const flow = () => bridge?.flow.current

measure({
  begin(place) {
    bridge = createBridgeOver(channel)
    mountCanvas(place, bridge, "100vh")
  },
  isDrawn: () => document.querySelector(".ff-overview, .ff-card") !== null,
  hear: say,
  moveTo: (viewport) => void flow()?.setViewport(viewport),
  fit() {
    const key = new KeyboardEvent("keydown", { key: "f", bubbles: true })
    document.querySelector(".ff-root")?.dispatchEvent(key)
  },
})
