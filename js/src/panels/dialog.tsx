/** A panel over the canvas: Escape and a click outside close it, and the focus goes back where it was. */

import { useLayoutEffect, useRef } from "react"
import { useBridge } from "../bridge/context"

interface Props {
  label: string
  className?: string
  style?: React.CSSProperties
  children: React.ReactNode
  onKeyDown?: (event: React.KeyboardEvent) => void
}

export function Dialog({ label, className = "", style, children, onKeyDown }: Props) {
  const { store, root } = useBridge()
  const element = useRef<HTMLDivElement>(null)
  const close = () => store.setState({ panel: null })
  useLayoutEffect(() => {
    const before = document.activeElement
    const first = element.current?.querySelector<HTMLElement>("input, [role=menuitem]:not(:disabled), button")
    ;(first ?? element.current)?.focus({ preventScroll: true })
    return () => {
      const back =
        before instanceof HTMLElement && before.isConnected && root.current?.contains(before) ? before : root.current
      back?.focus({ preventScroll: true })
    }
  }, [root])
  const keys = (event: React.KeyboardEvent) => {
    event.stopPropagation()
    if (event.key === "Escape") close()
    else onKeyDown?.(event)
  }
  return (
    <>
      <button type="button" className="ff-veil" tabIndex={-1} aria-label="Close" onClick={close} />
      <div
        ref={element}
        role="dialog"
        aria-label={label}
        tabIndex={-1}
        className={`ff-pop ${className}`}
        style={style}
        onKeyDown={keys}
      >
        {children}
      </div>
    </>
  )
}
