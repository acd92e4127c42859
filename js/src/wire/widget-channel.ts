/** The channel of an anywidget model. */

import { type Channel, isFromKernel } from "./messages"

/** The part of anywidget's model that we use. */
export interface WidgetModel {
  get(name: string): unknown
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void
  on(event: "msg:custom", callback: (message: unknown, buffers: DataView[]) => void): void
  off(event: "msg:custom", callback: (message: unknown, buffers: DataView[]) => void): void
}

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
  }
}
