/** The run itself: its button with its price, everything that can be run, and the yes to a large one. */

import { useBridge, useCanvas } from "../bridge/context"
import { estimatePrice, formatUsdRange } from "../state/format"
import { estimateCost, runChoices } from "../state/run-choices"
import type { Panel } from "../state/store"
import { Dialog } from "./dialog"
import { MenuRows } from "./menu-rows"

export function RunControls() {
  const { editing, store } = useBridge()
  const isLive = useCanvas((state) => state.runs.live.size > 0 || state.runs.requested.size > 0)
  const isOpen = useCanvas((state) => state.panel?.kind === "run")
  const document = useCanvas((state) => state.shared.document)
  const plan = useCanvas((state) => state.plan)
  const price = estimatePrice(document, plan, null)
  const stale = price.nodes.length
  const isUnfinished = [...document.nodes.keys()].some((id) => plan.nodes[id]?.state === "invalid")
  const fresh = plan.rev < 0 ? "planning…" : isUnfinished ? "unfinished" : "all fresh"
  const standing = stale > 0 ? `${stale} to run` : fresh
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
        <span className="ff-button is-quiet">{standing}</span>
      )}
      <span className="ff-split">
        <button
          type="button"
          className="ff-button is-primary"
          title="Run everything that is not fresh (Ctrl+Enter)"
          onClick={() => editing.run(null)}
        >
          ▶ Run {stale > 0 && <span className="ff-mono">{formatUsdRange(price.low, price.high)}</span>}
        </button>
        <button
          type="button"
          className="ff-button is-more"
          aria-label="What to run"
          aria-haspopup="menu"
          aria-expanded={isOpen}
          title="What to run (Shift+Space)"
          onClick={() => store.setState({ panel: { kind: "run" } })}
        >
          ▾
        </button>
      </span>
    </div>
  )
}

export function RunMenu() {
  const { editing, store } = useBridge()
  const state = store.getState()
  const isLive = useCanvas(({ runs }) => runs.live.size > 0 || runs.requested.size > 0)
  const offered = runChoices(state, editing).map((one) => ({
    label: one.label,
    detail: one.disabledReason ?? (one.price ? formatUsdRange(one.price.low, one.price.high) : ""),
    keys: one.keys,
    isDisabled: one.disabledReason !== null,
    run: one.run,
  }))
  const ids = editing.selectedNodes()
  const cancels = [
    { label: "Cancel the selected", detail: "", keys: ".", isDisabled: ids.length === 0, run: () => each(ids, false) },
    {
      label: "Cancel them and all below",
      detail: "",
      keys: "",
      isDisabled: ids.length === 0,
      run: () => each(ids, true),
    },
    { label: "Cancel everything", detail: "", keys: "Ctrl .", isDisabled: false, run: () => editing.cancel() },
  ]
  const each = (nodes: string[], branch: boolean) => nodes.forEach((id) => void editing.cancel(id, branch))
  return (
    <Dialog label="What to run" className="ff-menu ff-run-menu">
      <MenuRows rows={isLive ? [...offered, null, ...cancels] : offered} />
    </Dialog>
  )
}

export function ConfirmRun({ panel }: { panel: Extract<Panel, { kind: "confirm" }> }) {
  const { store, session } = useBridge()
  const bill = estimateCost(store.getState(), panel.nodes)
  const close = () => store.setState({ panel: null })
  const names = bill.unpriced.map((id) => store.getState().models.get(id)?.title ?? id)
  return (
    <Dialog label="Run anyway?" className="ff-confirm is-centered">
      <h2>Run anyway?</h2>
      <p>{panel.why.message}</p>
      {panel.why.hint && <p className="ff-muted">{panel.why.hint}</p>}
      <dl className="ff-facts">
        <dt>price</dt>
        <dd className="ff-mono">{bill.high > 0 ? formatUsdRange(bill.low, bill.high) : "not known"}</dd>
        <dt>paid calls</dt>
        <dd className="ff-mono">{bill.calls ?? "not known yet: a batch grows while it runs"}</dd>
        {names.length > 0 && (
          <>
            <dt>no price known</dt>
            <dd>
              {names.join(", ")}: the service bills what it bills. A cap for each call is set in Python, by{" "}
              <code>ff.budget(unpriced=…)</code>.
            </dd>
          </>
        )}
      </dl>
      <div className="ff-buttons">
        <button type="button" className="ff-button is-plain" onClick={close}>
          Do not run
        </button>
        <button
          type="button"
          className="ff-button is-primary"
          onClick={() => {
            close()
            session.run(panel.targets, panel.nodes, true)
          }}
        >
          Run anyway {bill.high > 0 && <span className="ff-mono">{formatUsdRange(bill.low, bill.high)}</span>}
        </button>
      </div>
    </Dialog>
  )
}
