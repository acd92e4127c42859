/** Channel over an anywidget model. */

import { type Channel, isFromKernel } from "./messages"

/** The parts of the anywidget model in use. */
export interface WidgetModel {
  get(name: string): unknown
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void
  on(event: "msg:custom", callback: (message: unknown, buffers: DataView[]) => void): void
  on(event: typeof LINE_CHANGED, callback: () => void): void
  off(event: "msg:custom", callback: (message: unknown, buffers: DataView[]) => void): void
  off(event: typeof LINE_CHANGED, callback: () => void): void
}

/** Event of the widget manager when the kernel of a model disconnects, as on restart. */
const LINE_CHANGED = "comm_live_update"

export function widgetChannel(model: WidgetModel): Channel {
  return {
    send: (message, buffers) => model.send(message, undefined, buffers),
    listen(listener) {
      const onMessage = (message: unknown, buffers: DataView[]) => {
        if (isFromKernel(message)) listener(message, buffers)
      }
      model.on("msg:custom", onMessage)
      return () => model.off("msg:custom", onMessage)
    },
    onLineChange(listener) {
      model.on(LINE_CHANGED, listener)
      return () => model.off(LINE_CHANGED, listener)
    },
  }
}
