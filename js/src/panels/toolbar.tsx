/** The bar on top: name and when it was saved, editing, budgets, what a run would cost, the run itself. */

import { useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { budgetStatuses, budgetTooltip, estimatePrice, formatUsd } from "../state/format"
import type { Point } from "../state/store"
import { FileButton, toggleFullScreen } from "./file"
import { RunControls } from "./run"

export function Toolbar({ viewCenter }: { viewCenter: () => Point }) {
  const bridge = useBridge()
  const { store, editing } = bridge
  const history = useCanvas((state) => state.history)
  return (
    <div className="ff-bar" role="toolbar" aria-label="Flow">
      <Name />
      <div className="ff-group">
        <button
          type="button"
          className="ff-button"
          onClick={() => store.setState({ panel: { kind: "palette", at: viewCenter(), loose: null } })}
        >
          + Add <kbd>Tab</kbd>
        </button>
        <button
          type="button"
          className="ff-button"
          aria-label="Undo"
          title="Undo"
          disabled={!history.can_undo}
          onClick={() => editing.undo()}
        >
          ↶
        </button>
        <button
          type="button"
          className="ff-button"
          aria-label="Redo"
          title="Redo"
          disabled={!history.can_redo}
          onClick={() => editing.redo()}
        >
          ↷
        </button>
        <button
          type="button"
          className="ff-button"
          title="Lay out all, or what is selected (Shift+T)"
          onClick={() => void editing.tidy()}
        >
          Tidy
        </button>
        <button
          type="button"
          className="ff-button"
          aria-label="Full screen"
          title="Full screen (Shift+F); H: full height"
          onClick={() => toggleFullScreen(bridge)}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path
              d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"
              fill="none"
              stroke="currentColor"
              strokeWidth="1.6"
            />
          </svg>
        </button>
        <button
          type="button"
          className="ff-button"
          aria-label="All keys"
          title="All keys (?)"
          onClick={() => store.setState({ panel: { kind: "keys" } })}
        >
          ?
        </button>
      </div>
      <span className="ff-spacer" />
      <Budgets />
      <RunControls />
    </div>
  )
}

function Name() {
  const { session } = useBridge()
  const name = useCanvas((state) => state.shared.document.name)
  const [draft, setDraft] = useState<string | null>(null)
  const take = () => {
    if (draft !== null && draft.trim() !== "" && draft !== name)
      session.edit([{ kind: "set_flow", field: "name", value: draft.trim() }])
    setDraft(null)
  }
  return (
    <div className="ff-group is-name">
      <input
        className="ff-name"
        aria-label="Name of the flow"
        value={draft ?? name}
        size={Math.max(6, (draft ?? name).length)}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === "Enter") event.currentTarget.blur()
          if (event.key === "Escape") setDraft(null)
        }}
      />
      <FileButton />
    </div>
  )
}

/** The cap that matters most; all of them for who points at it. */
function Budgets() {
  const budgets = useCanvas((state) => state.budgets)
  const high = useCanvas((state) => estimatePrice(state.shared.document, state.plan, null).high)
  const all = budgetStatuses(budgets, high)
  const [one] = all
  if (!one) return null
  return (
    <div className="ff-group is-padded ff-budgets" title={budgetTooltip(all, high)}>
      <span className="ff-budget">
        <span className="ff-muted">{one.label}</span>
        <meter
          className={`ff-meter ${one.tone}`}
          aria-label={`Spent ${one.label}`}
          min={0}
          max={one.cap_micro_usd}
          value={Math.min(one.spent_micro_usd, one.cap_micro_usd)}
          style={{ "--filled": `${one.share * 100}%` } as React.CSSProperties}
        />
        <span className="ff-mono">
          {formatUsd(one.spent_micro_usd)} / {formatUsd(one.cap_micro_usd)}
        </span>
        {one.isPassed && <span className="ff-mono ff-passed">needs {formatUsd(high)}</span>}
      </span>
    </div>
  )
}
