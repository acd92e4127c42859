/** Replies and errors of the kernel. */

import { type Reply, type ToKernel, WIRE_VERSION } from "../wire/messages"
import type { ErrorFacts } from "../wire/run"

/** A message without its id, which the session adds. */
export type Sendable<T> = T extends ToKernel ? Omit<T, "id"> : never

export interface KernelReply<R = Reply> {
  reply: R
  buffers: DataView[]
}

export const errorText = ({ message, hint }: ErrorFacts): string => [message, hint].filter(Boolean).join(" ")

/** Error reply of the kernel to a request, or a timeout. */
export class KernelError extends Error {
  constructor(readonly facts: ErrorFacts) {
    super(errorText(facts))
  }
}

/** What to do if the kernel's protocol version differs from the view's; null if they are equal. */
export function wireMismatch(kernel: number | undefined): string | null {
  if (kernel === WIRE_VERSION) return null
  return (kernel ?? 0) > WIRE_VERSION
    ? "This page is older than the kernel. Save your work, then reload the page."
    : "The kernel is older than this page. Restart the kernel, then run this cell again."
}
