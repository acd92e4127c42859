/** The widget: one session and one drawing per view, and nothing left behind by either. */

import { ReactFlowProvider } from "@xyflow/react"
import "@xyflow/react/dist/base.css"
import { createRoot } from "react-dom/client"
import { type Bridge, BridgeContext, closeBridge, createBridge } from "./bridge/context"
import { hideStaticImage } from "./bridge/static-image"
import { detectTheme, watchTheme } from "./bridge/theme"
import { Canvas } from "./canvas/canvas"
import "./styles/canvas.css"
import type { Channel } from "./wire/messages"
import { type WidgetModel, widgetChannel } from "./wire/widget-channel"

/** Draw a canvas into an element; returns how to take it away. */
export function mountCanvas(element: HTMLElement, bridge: Bridge, height = "640px"): () => void {
  const holder = document.createElement("div")
  holder.className = `ff-holder is-${detectTheme()}`
  holder.style.height = height
  element.append(holder)
  const unwatch = watchTheme((theme) => {
    holder.className = `ff-holder is-${theme}`
  })
  const root = createRoot(holder)
  root.render(
    <BridgeContext.Provider value={bridge}>
      <ReactFlowProvider>
        <Canvas />
      </ReactFlowProvider>
    </BridgeContext.Provider>,
  )
  return () => {
    unwatch()
    root.unmount()
    holder.remove()
  }
}

/** A bridge over any channel: the widget's, or the dev page's. */
export const createBridgeOver = (channel: Channel): Bridge => createBridge(channel)

/** anywidget calls `render` once per view; each has a session of its own, so that what one selects is not the other's. */
export default {
  render({ model, el }: { model: WidgetModel; el: HTMLElement }) {
    const bridge = createBridge(widgetChannel(model))
    const unhide = hideStaticImage(String(model.get("snapshot_id") ?? ""))
    const remove = mountCanvas(el, bridge, String(model.get("height") ?? "640px"))
    return () => {
      remove()
      unhide()
      closeBridge(bridge)
    }
  },
}
