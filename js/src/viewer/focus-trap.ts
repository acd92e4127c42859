/** The focus stays in the viewer while it is open, and goes back where it was. */

import { useLayoutEffect } from "react"

const REACHED =
  "button:not(:disabled), input:not(:disabled), select, textarea, a[href], video, audio, [tabindex]:not([tabindex='-1'])"

/** Tab, at the ends: on to the other end. */
export function trapTabFocus(event: React.KeyboardEvent, within: HTMLElement | null): void {
  const all = [...(within?.querySelectorAll<HTMLElement>(REACHED) ?? [])].filter((one) => one.offsetParent !== null)
  const first = all[0]
  const last = all[all.length - 1]
  const here = document.activeElement
  const isOut = here === within || !within?.contains(here)
  const next = event.shiftKey ? (here === first || isOut ? last : null) : here === last || isOut ? first : null
  if (!next) return
  event.preventDefault()
  next.focus()
}

export function useRestoreFocus(element: { current: HTMLElement | null }, root: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    const before = document.activeElement
    element.current?.focus({ preventScroll: true })
    return () => {
      const isThere = before instanceof HTMLElement && before.isConnected && root.current?.contains(before)
      ;(isThere ? before : root.current)?.focus({ preventScroll: true })
    }
  }, [element, root])
}
