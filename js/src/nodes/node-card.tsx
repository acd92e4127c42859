/** Node card, rendered from the catalog and the kernel's state. All node types share this component. */

import { type NodeProps, useStore as useFlowStore } from "@xyflow/react"
import { memo } from "react"
import { useNow } from "../bridge/clock"
import { useBridge, useCanvas, useCard } from "../bridge/context"
import { isRunning, jobsOf, runningSince, showsMedia, textDiff } from "../state/card"
import type { CardData } from "../state/derived"
import { progressText } from "../state/estimate"
import { displayValue, humanize } from "../state/form"
import { formatSeconds } from "../state/format"
import { isMainField, type Section } from "../state/node-layout"
import { EditableTitle } from "./editable-title"
import { FieldRow } from "./fields/field"
import { TextControl } from "./fields/text"
import { NodeToolbar } from "./node-toolbar"
import { Ports } from "./ports"
import { ResultGrid } from "./result-grid"
import { WidthHandle } from "./width-handle"

export type DetailLevel = "full" | "less" | "least"

/** Level of detail at a zoom level. */
export const detailLevel = (zoom: number): DetailLevel => (zoom < 0.25 ? "least" : zoom < 0.4 ? "less" : "full")

const detailOf = (state: { transform: [number, number, number] }): DetailLevel => detailLevel(state.transform[2])

export const NodeCard = memo(function Card({ id, selected }: NodeProps) {
  const card = useCard(id)
  const detail = useFlowStore(detailOf)
  const isOnly = useCanvas((state) => state.selection.size === 1)
  if (!card) return null
  const { facts, layout } = card
  const type = facts.type?.outputs[0]?.type ?? "json"
  const state = isRunning(facts) ? "running" : (facts.plan?.state ?? "fresh")
  return (
    <article
      className={`ff-card ff-type-${type} is-${state}${selected ? " is-selected" : ""}${facts.node.isMuted ? " is-muted" : ""} at-${detail}`}
      style={{ width: layout.width, height: layout.height }}
      aria-label={`${card.title}: ${card.chips.map((chip) => chip.text).join(", ") || state}`}
    >
      <Ports id={id} card={card} />
      <header className="ff-head">
        <i className="ff-dot" aria-hidden="true" />
        <EditableTitle id={id} title={card.title} />
        <Chips card={card} />
      </header>
      {detail === "full"
        ? layout.sections.map((section) => (
            <CardSection key={section.kind + (section.name ?? "")} id={id} card={card} section={section} />
          ))
        : showsMedia(facts.type) && (
            <ResultGrid id={id} card={card} style={{ top: layout.sections[0]?.y ?? 0, bottom: 8 }} />
          )}
      {detail !== "full" && !showsMedia(facts.type) && <p className="ff-gist">{gist(card)}</p>}
      {selected && isOnly && detail === "full" && <NodeToolbar id={id} card={card} />}
      {selected && detail === "full" && <WidthHandle id={id} width={layout.width} />}
    </article>
  )
})

function Chips({ card }: { card: CardData }) {
  const since = runningSince(card.facts.run)
  return (
    <span className="ff-chips" aria-live="polite">
      {card.chips.map((chip) => (
        <span key={chip.text} className={`ff-chip is-${chip.tone}`} title={chip.title}>
          {chip.isEstimated ? <EstimatedProgress card={card} label={chip.text} /> : chip.text}
        </span>
      ))}
      {since !== null && <Elapsed since={since} />}
    </span>
  )
}

/** Estimated progress. It changes ten times a second, so screen readers get the static label instead. */
function EstimatedProgress({ card, label }: { card: CardData; label: string }) {
  const now = useNow()
  return (
    <>
      <span className="ff-unseen">{label}</span>
      <span aria-hidden="true">{progressText(jobsOf(card.facts.run), now)}</span>
    </>
  )
}

/** Time since the job started. Only this and the estimate re-render ten times a second. */
function Elapsed({ since }: { since: number }) {
  const now = useNow()
  return (
    <span className="ff-chip is-plain" aria-hidden="true">
      {formatSeconds((now - since / 1000) / 1000)}
    </span>
  )
}

function CardSection({ id, card, section }: { id: string; card: CardData; section: Section }) {
  const place = { top: section.y, height: section.height }
  switch (section.kind) {
    case "media":
      return <ResultGrid id={id} card={card} style={place} />
    case "ports":
      return null // rendered by `Ports`
    case "error":
      return (
        <div className="ff-part ff-error" style={place} role="alert">
          <p>
            {card.error?.message}
            {card.error?.hint && <span>{card.error.hint}</span>}
            <Retry id={id} />
          </p>
        </div>
      )
    case "reason":
      return (
        <div className="ff-part ff-reason" style={place}>
          <p>
            {card.reasons.map((reason) => {
              const [old, now] = textDiff(reason.old, reason.new)
              return (
                <span key={reason.text} title={reason.text}>
                  {humanize(reason.field ?? "")}: <s>{old}</s> → <b>{now}</b>
                </span>
              )
            })}
          </p>
        </div>
      )
    case "field": {
      const field = card.fields.find((candidate) => candidate.name === section.name)
      if (!field) return null
      const isBare = isMainField({ type: card.facts.type, fields: card.fields }, field)
      return (
        <div className="ff-part" style={place}>
          <FieldRow
            nodeId={id}
            field={field}
            value={displayValue(card.facts.node, field)}
            isBare={isBare}
            place="card"
          />
        </div>
      )
    }
    case "variable":
      return <Variable id={id} name={section.name ?? ""} style={place} />
    case "foot":
      return (
        <footer className="ff-part ff-foot" style={place}>
          {card.footer.join(" · ")}
        </footer>
      )
  }
}

function Retry({ id }: { id: string }) {
  const { editing } = useBridge()
  return (
    <button type="button" className="ff-retry nodrag" onClick={() => editing.run([id])}>
      Retry
    </button>
  )
}

function Variable({ id, name, style }: { id: string; name: string; style: React.CSSProperties }) {
  const { editing, session } = useBridge()
  const value = useCanvas((state) => state.shared.document.variables[name] ?? null)
  const fieldId = `ff-variable-${id}-${name}-${session.clientId}`
  return (
    <div className="ff-part" style={style}>
      <div className="ff-field nodrag">
        <label htmlFor={fieldId}>
          <span>{name}</span>
          <span className="ff-hint ff-mono">flow variable</span>
        </label>
        <TextControl
          id={fieldId}
          value={value}
          problem={null}
          field={{ name, control: "text", label: name }}
          onChange={(next) => editing.setVariable(name, next)}
        />
      </div>
    </div>
  )
}

/** Value of a node as one line, shown when the card is too small for its fields. */
function gist(card: CardData): string {
  const field = card.fields[0]
  const value = field && displayValue(card.facts.node, field)
  return typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value)
}
