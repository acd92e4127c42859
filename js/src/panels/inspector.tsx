/** Inspector: all settings of the selected node, its state and its cost. */

import { useBridge, useCanvas, useCard } from "../bridge/context"
import { FieldRow } from "../nodes/fields/field"
import { displayValue, humanize } from "../state/form"
import { formatUsdRange } from "../state/format"

export function Inspector() {
  const id = useCanvas((state) =>
    state.isInspectorOpen && state.selection.size === 1 ? ([...state.selection][0] ?? "") : "",
  )
  return id === "" ? null : <Sheet key={id} id={id} />
}

function Sheet({ id }: { id: string }) {
  const { store } = useBridge()
  const card = useCard(id)
  if (!card) return null
  const { facts, allFields, connected } = card
  const plan = facts.plan
  const masks = facts.type?.inputs.filter((port) => port.type === "mask") ?? []
  return (
    <aside className="ff-inspector nowheel" aria-label={`Settings of ${card.title}`}>
      <header>
        <b>{card.title}</b>
        <button
          type="button"
          className="ff-icon"
          aria-label="Close"
          title="Close (I)"
          onClick={() => store.setState({ isInspectorOpen: false })}
        >
          ✕
        </button>
      </header>
      <p className="ff-muted">{facts.type?.summary ?? "Unknown node type: run the cell that defines it."}</p>
      <div className="ff-sheet">
        {allFields.map((field) =>
          connected.has(field.name) ? (
            <p key={field.name} className="ff-fed">
              <span>{field.label}</span> connected
            </p>
          ) : (
            <FieldRow
              key={field.name}
              nodeId={id}
              field={field}
              value={displayValue(facts.node, field)}
              place="inspector"
            />
          ),
        )}
      </div>
      {masks.length > 0 && (
        <div className="ff-sheet">
          {masks.map((port) => (
            <button
              key={port.name}
              type="button"
              className="ff-button ff-paint"
              onClick={() => store.setState({ panel: { kind: "mask", nodeId: id, port: port.name } })}
            >
              Paint {humanize(port.name)}…
            </button>
          ))}
        </div>
      )}
      <dl className="ff-facts">
        <dt>id</dt>
        <dd className="ff-mono">{id}</dd>
        {plan && facts.type?.kind !== "structural" && (
          <>
            <dt>state</dt>
            <dd>{plan.state}</dd>
            {plan.state !== "fresh" && (
              <>
                <dt>run cost</dt>
                <dd className="ff-mono">{formatUsdRange(plan.low_micro_usd ?? 0, plan.high_micro_usd ?? 0)}</dd>
              </>
            )}
          </>
        )}
        {facts.node.take > 0 && (
          <>
            <dt>take</dt>
            <dd className="ff-mono">{facts.node.take}</dd>
          </>
        )}
        {(plan?.reasons ?? []).map((reason) => (
          <dd key={reason.text} className="ff-why">
            {reason.text}
          </dd>
        ))}
      </dl>
    </aside>
  )
}
