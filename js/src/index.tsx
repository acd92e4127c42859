/** Entry point of the widget. Each view has its own session and React root, and cleans up both. */

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

/** Renders a canvas into an element; returns the cleanup function. */
export function mountCanvas(element: HTMLElement, bridge: Bridge, height = "640px"): () => void {
  const holder = document.createElement("div")
  holder.className = `ff-holder is-${detectTheme()}`
  holder.style.height = height
  element.append(holder)
  const stopWatching = watchTheme((theme) => {
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
    stopWatching()
    root.unmount()
    holder.remove()
  }
}

/** Creates a bridge over any channel, such as the dev page's fake kernel. */
export const createBridgeOver = (channel: Channel): Bridge => createBridge(channel)

/** anywidget calls `render` once per view. Each view has its own session, so that selections are independent. */
export default {
  render({ model, el }: { model: WidgetModel; el: HTMLElement }) {
    const bridge = createBridge(widgetChannel(model))
    const showStaticImage = hideStaticImage(String(model.get("snapshot_id") ?? ""))
    const remove = mountCanvas(el, bridge, String(model.get("height") ?? "640px"))
    return () => {
      remove()
      showStaticImage()
      closeBridge(bridge)
    }
  },
}
