/** The bar on top: name and when it was saved, editing, budgets, what a run would cost, the run itself. */

import { useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { priceOf, usd, usdRange } from "../state/money"
import type { Point } from "../state/store"

export function Toolbar({ middle }: { middle: () => Point }) {
  const { store, editing } = useBridge()
  const history = useCanvas((state) => state.history)
  return (
    <div className="ff-bar" role="toolbar" aria-label="Flow">
      <Name />
      <div className="ff-group">
        <button
          type="button"
          className="ff-button"
          onClick={() => store.setState({ panel: { kind: "palette", at: middle(), loose: null } })}
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
          onClick={() => editing.tidy()}
        >
          Tidy
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
      <Run />
    </div>
  )
}

function Name() {
  const { session } = useBridge()
  const name = useCanvas((state) => state.shared.shown.name)
  const savedAtUs = useCanvas((state) => state.file.saved_at_us)
  const isPending = useCanvas((state) => state.shared.pending.length > 0)
  const [draft, setDraft] = useState<string | null>(null)
  const saved =
    savedAtUs === null
      ? "not saved"
      : `saved ${new Date(savedAtUs / 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })}`
  const take = () => {
    if (draft !== null && draft.trim() !== "" && draft !== name)
      session.edit([{ kind: "set_flow", field: "name", value: draft.trim() }])
    setDraft(null)
  }
  return (
    <div className="ff-group is-padded">
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
      <span className="ff-muted">{isPending ? "…" : saved}</span>
    </div>
  )
}

function Budgets() {
  const budgets = useCanvas((state) => state.budgets)
  if (budgets.length === 0) return null
  return (
    <div className="ff-group is-padded ff-budgets">
      {budgets.map(({ label, spent_micro_usd: spent, cap_micro_usd: cap }) => {
        const share = cap > 0 ? Math.min(1, spent / cap) : 1
        const tone = share >= 1 ? "is-bad" : share >= 0.8 ? "is-warn" : "is-ok"
        return (
          <span key={label} className="ff-budget">
            <span className="ff-muted">{label}</span>
            <meter
              className={`ff-meter ${tone}`}
              aria-label={`Spent ${label}`}
              min={0}
              max={cap}
              value={Math.min(spent, cap)}
              style={{ "--filled": `${share * 100}%` } as React.CSSProperties}
            />
            <span className="ff-mono">
              {usd(spent)} / {usd(cap)}
            </span>
          </span>
        )
      })}
    </div>
  )
}

function Run() {
  const { editing } = useBridge()
  const isLive = useCanvas((state) => state.runs.live.size > 0 || state.runs.asked.size > 0)
  const document = useCanvas((state) => state.shared.shown)
  const plan = useCanvas((state) => state.plan)
  const price = priceOf(document, plan, null)
  const stale = price.nodes.length
  return (
    <div className="ff-group">
      {isLive ? (
        <button
          type="button"
          className="ff-button is-cancel"
          title="Cancel everything (Ctrl+.)"
          onClick={() => editing.cancel()}
        >
          ■ Cancel
        </button>
      ) : (
        <span className="ff-button is-quiet">{stale === 0 ? "all fresh" : `${stale} to run`}</span>
      )}
      <button
        type="button"
        className="ff-button is-primary"
        title="Run everything that is not fresh (Ctrl+Enter)"
        onClick={() => editing.run(null)}
      >
        ▶ Run {stale > 0 && <span className="ff-mono">{usdRange(price.low, price.high)}</span>}
      </button>
    </div>
  )
}
