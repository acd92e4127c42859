/** Toolbar: flow name and save state, editing, budgets and run controls. */

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
          title="Tidy selected nodes, or all (Shift+T)"
          onClick={() => void editing.tidy()}
        >
          Tidy
        </button>
        <button
          type="button"
          className="ff-button"
          aria-label="Full screen"
          title="Full screen (Shift+F), full height (H)"
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
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
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
  const commit = () => {
    if (draft !== null && draft.trim() !== "" && draft !== name)
      session.edit([{ kind: "set_flow", field: "name", value: draft.trim() }])
    setDraft(null)
  }
  return (
    <div className="ff-group is-name">
      <input
        className="ff-name"
        aria-label="Flow name"
        value={draft ?? name}
        size={Math.max(6, (draft ?? name).length)}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === "Enter") event.currentTarget.blur()
          if (event.key === "Escape") setDraft(null)
        }}
      />
      <FileButton />
    </div>
  )
}

/** The tightest budget; the tooltip lists all of them. */
function Budgets() {
  const budgets = useCanvas((state) => state.budgets)
  const high = useCanvas((state) => estimatePrice(state.shared.document, state.plan, null).high)
  const statuses = budgetStatuses(budgets, high)
  const [budget] = statuses
  if (!budget) return null
  return (
    <div className="ff-group is-padded ff-budgets" title={budgetTooltip(statuses, high)}>
      <span className="ff-budget">
        <span className="ff-muted">{budget.label}</span>
        <meter
          className={`ff-meter ${budget.tone}`}
          aria-label={`Spent ${budget.label}`}
          min={0}
          max={budget.cap_micro_usd}
          value={Math.min(budget.spent_micro_usd, budget.cap_micro_usd)}
          style={{ "--filled": `${budget.share * 100}%` } as React.CSSProperties}
        />
        <span className="ff-mono">
          {formatUsd(budget.spent_micro_usd)} / {formatUsd(budget.cap_micro_usd)}
        </span>
        {budget.isPassed && <span className="ff-mono ff-passed">needs {formatUsd(high)}</span>}
      </span>
    </div>
  )
}
