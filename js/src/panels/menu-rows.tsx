/** The rows of a menu: arrow keys walk, a row says its key and what it would cost. */

import { useBridge } from "../bridge/context"

export type MenuRow = {
  label: string
  /** At its right, in figures. */
  detail?: string
  keys?: string
  isDisabled?: boolean
  run: () => void
} | null

export function MenuRows({ rows }: { rows: readonly MenuRow[] }) {
  const { store } = useBridge()
  const walk = (event: React.KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    const all = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)")]
    const here = all.indexOf(document.activeElement as HTMLElement)
    all[(here + step + all.length) % all.length]?.focus()
  }
  return (
    <div role="menu" tabIndex={-1} onKeyDown={walk}>
      {rows.map((row, index) =>
        row === null ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place
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
