/** Panel over the canvas. Escape or a click outside closes it and restores the focus. */

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
    const previousFocus = document.activeElement
    const firstField = element.current?.querySelector<HTMLElement>("input, [role=menuitem]:not(:disabled), button")
    ;(firstField ?? element.current)?.focus({ preventScroll: true })
    return () => {
      const target =
        previousFocus instanceof HTMLElement && previousFocus.isConnected && root.current?.contains(previousFocus)
          ? previousFocus
          : root.current
      target?.focus({ preventScroll: true })
    }
  }, [root])
  const handleKeyDown = (event: React.KeyboardEvent) => {
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
        onKeyDown={handleKeyDown}
      >
        {children}
      </div>
    </>
  )
}
