/** Run button with price, run menu, and the confirmation of large runs. */

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
  const idleStatus = plan.rev < 0 ? "planning…" : isUnfinished ? "incomplete" : "all fresh"
  const status = stale > 0 ? `${stale} to run` : idleStatus
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
        <span className="ff-button is-quiet">{status}</span>
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
          aria-label="Run options"
          aria-haspopup="menu"
          aria-expanded={isOpen}
          title="Run options (Shift+Space)"
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
  const choices = runChoices(state, editing).map((choice) => ({
    label: choice.label,
    detail: choice.disabledReason ?? (choice.price ? formatUsdRange(choice.price.low, choice.price.high) : ""),
    keys: choice.keys,
    isDisabled: choice.disabledReason !== null,
    run: choice.run,
  }))
  const ids = editing.selectedNodes()
  const cancels = [
    {
      label: "Cancel selected nodes",
      detail: "",
      keys: ".",
      isDisabled: ids.length === 0,
      run: () => cancelNodes(ids, false),
    },
    {
      label: "Cancel selected nodes and downstream",
      detail: "",
      keys: "",
      isDisabled: ids.length === 0,
      run: () => cancelNodes(ids, true),
    },
    { label: "Cancel everything", detail: "", keys: "Ctrl .", isDisabled: false, run: () => editing.cancel() },
  ]
  const cancelNodes = (nodes: string[], branch: boolean) => nodes.forEach((id) => void editing.cancel(id, branch))
  return (
    <Dialog label="Run options" className="ff-menu ff-run-menu">
      <MenuRows rows={isLive ? [...choices, null, ...cancels] : choices} />
    </Dialog>
  )
}

export function ConfirmRun({ panel }: { panel: Extract<Panel, { kind: "confirm" }> }) {
  const { store, session } = useBridge()
  const cost = estimateCost(store.getState(), panel.nodes)
  const close = () => store.setState({ panel: null })
  const names = cost.unpriced.map((id) => store.getState().models.get(id)?.title ?? id)
  return (
    <Dialog label="Run anyway?" className="ff-confirm is-centered">
      <h2>Run anyway?</h2>
      <p>{panel.why.message}</p>
      {panel.why.hint && <p className="ff-muted">{panel.why.hint}</p>}
      <dl className="ff-facts">
        <dt>price</dt>
        <dd className="ff-mono">{cost.high > 0 ? formatUsdRange(cost.low, cost.high) : "unknown"}</dd>
        <dt>paid calls</dt>
        <dd className="ff-mono">{cost.calls ?? "unknown: the batch size depends on the run"}</dd>
        {names.length > 0 && (
          <>
            <dt>price unknown</dt>
            <dd>
              {names.join(", ")}: only the service knows the cost. To set a limit for each call, use{" "}
              <code>ff.budget(unpriced=…)</code> in Python.
            </dd>
          </>
        )}
      </dl>
      <div className="ff-buttons">
        <button type="button" className="ff-button is-plain" onClick={close}>
          Cancel
        </button>
        <button
          type="button"
          className="ff-button is-primary"
          onClick={() => {
            close()
            session.run(panel.targets, panel.nodes, true)
          }}
        >
          Run anyway {cost.high > 0 && <span className="ff-mono">{formatUsdRange(cost.low, cost.high)}</span>}
        </button>
      </div>
    </Dialog>
  )
}
