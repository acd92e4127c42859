/** The channel of an anywidget model. */

import { type Channel, isFromKernel } from "./messages"

/** The part of anywidget's model that we use. */
export interface WidgetModel {
  get(name: string): unknown
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void
  on(event: "msg:custom", callback: (message: unknown, buffers: DataView[]) => void): void
  on(event: typeof LINE_CHANGED, callback: () => void): void
  off(event: "msg:custom", callback: (message: unknown, buffers: DataView[]) => void): void
  off(event: typeof LINE_CHANGED, callback: () => void): void
}

/** What the widget manager says of every model when its kernel goes away, as by a restart. */
const LINE_CHANGED = "comm_live_update"

export function widgetChannel(model: WidgetModel): Channel {
  return {
    send: (message, buffers) => model.send(message, undefined, buffers),
    listen(listener) {
      const hear = (message: unknown, buffers: DataView[]) => {
        if (isFromKernel(message)) listener(message, buffers)
      }
      model.on("msg:custom", hear)
      return () => model.off("msg:custom", hear)
    },
    onLineChange(listener) {
      model.on(LINE_CHANGED, listener)
      return () => model.off(LINE_CHANGED, listener)
    },
  }
}
