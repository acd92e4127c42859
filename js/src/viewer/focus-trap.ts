/** Focus trap of the viewer; restores the focus on close. */

import { useLayoutEffect } from "react"

const FOCUSABLE =
  "button:not(:disabled), input:not(:disabled), select, textarea, a[href], video, audio, [tabindex]:not([tabindex='-1'])"

/** Wrap the focus around at the first and last element on Tab. */
export function trapTabFocus(event: React.KeyboardEvent, container: HTMLElement | null): void {
  const focusable = [...(container?.querySelectorAll<HTMLElement>(FOCUSABLE) ?? [])].filter(
    (element) => element.offsetParent !== null,
  )
  const first = focusable[0]
  const last = focusable[focusable.length - 1]
  const current = document.activeElement
  const isOutside = current === container || !container?.contains(current)
  const next = event.shiftKey
    ? current === first || isOutside
      ? last
      : null
    : current === last || isOutside
      ? first
      : null
  if (!next) return
  event.preventDefault()
  next.focus()
}

export function useRestoreFocus(element: { current: HTMLElement | null }, root: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    const previousFocus = document.activeElement
    element.current?.focus({ preventScroll: true })
    return () => {
      const isConnected =
        previousFocus instanceof HTMLElement && previousFocus.isConnected && root.current?.contains(previousFocus)
      ;(isConnected ? previousFocus : root.current)?.focus({ preventScroll: true })
    }
  }, [element, root])
}
