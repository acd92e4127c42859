/** Rows of a menu with shortcut and price; the arrow keys move the focus. */

import { useBridge } from "../bridge/context"

export type MenuRow = {
  label: string
  /** Right-aligned text, for example a price. */
  detail?: string
  keys?: string
  isDisabled?: boolean
  run: () => void
} | null

export function MenuRows({ rows }: { rows: readonly MenuRow[] }) {
  const { store } = useBridge()
  const moveFocus = (event: React.KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)")]
    const current = items.indexOf(document.activeElement as HTMLElement)
    items[(current + step + items.length) % items.length]?.focus()
  }
  return (
    <div role="menu" tabIndex={-1} onKeyDown={moveFocus}>
      {rows.map((row, index) =>
        row === null ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: separators have no other key
          <hr key={index} />
        ) : (
          <button
            key={row.label}
            type="button"
            role="menuitem"
            disabled={row.isDisabled}
            onClick={() => {
              store.setState({ panel: null })
              row.run()
            }}
          >
            <span>{row.label}</span>
            {row.detail && <span className="ff-mono ff-beside">{row.detail}</span>}
            <kbd>{row.keys}</kbd>
          </button>
        ),
      )}
    </div>
  )
}
