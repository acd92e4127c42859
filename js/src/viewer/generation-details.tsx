/** What is known of a result: how it was made, from what, and what it cost. */

import { useBridge, useCard } from "../bridge/context"
import { PreviewImage } from "../media/preview-image"
import { FieldRow } from "../nodes/fields/field"
import { formatMegabytes } from "../state/files"
import { displayValue, humanize } from "../state/form"
import { formatSeconds, formatUsd } from "../state/format"
import type { ViewedResult } from "../state/viewer-state"
import type { Json } from "../wire/flow"
import type { GenerationFacts, ResultCell } from "../wire/run"
import { copyText } from "./export"
import { useGeneration } from "./use-generation"

export function GenerationDetails({ shown }: { shown: ViewedResult }) {
  const generation = useGeneration(shown.generationId)
  const { facts } = generation
  return (
    <aside className="ff-about" aria-label="How it was made">
      {shown.nodeId !== null && <Sliders nodeId={shown.nodeId} />}
      {facts?.prompt && <Prompt text={facts.prompt} />}
      <dl className="ff-facts">
        <Size cell={shown.cell} />
        {facts && <GenerationRows facts={facts} />}
      </dl>
      {facts && facts.inputs.length > 0 && <Inputs facts={facts} />}
      {generation.isLoading && <p className="ff-muted">asking how it was made…</p>}
      {generation.problem && <p className="ff-warn">{generation.problem}</p>}
      {shown.generationId === null && <p className="ff-muted">It is no generation: nothing was recorded of it.</p>}
    </aside>
  )
}

/** A grade is set while it is looked at. */
function Sliders({ nodeId }: { nodeId: string }) {
  const card = useCard(nodeId)
  if (card?.facts.type?.name !== "grade") return null
  return (
    <div className="ff-sheet">
      {card.allFields
        .filter((field) => !card.connected.has(field.name))
        .map((field) => (
          <FieldRow
            key={field.name}
            nodeId={nodeId}
            field={field}
            value={displayValue(card.facts.node, field)}
            place="viewer"
          />
        ))}
    </div>
  )
}

function Prompt({ text }: { text: string }) {
  const bridge = useBridge()
  return (
    <div className="ff-prompt">
      <p>{text}</p>
      <button type="button" onClick={() => void copyText(bridge, text, "Copied the prompt.")}>
        Copy prompt
      </button>
    </div>
  )
}

function Size({ cell }: { cell: ResultCell }) {
  return (
    <>
      {cell.width && cell.height && <FactRow label="size">{`${cell.width} × ${cell.height}`}</FactRow>}
      {cell.duration_s && <FactRow label="length">{formatSeconds(cell.duration_s)}</FactRow>}
      {cell.media_type && (
        <FactRow label="file">
          {cell.media_type}
          {cell.size_bytes === undefined ? "" : `, ${formatMegabytes(cell.size_bytes)}`}
        </FactRow>
      )}
    </>
  )
}

function GenerationRows({ facts }: { facts: GenerationFacts }) {
  const { started_at_us: began, finished_at_us: ended, queued_at_us: asked } = facts
  return (
    <>
      {facts.model && <FactRow label="model">{facts.model}</FactRow>}
      {!facts.model && facts.provider && <FactRow label="made by">{facts.provider}</FactRow>}
      {facts.seed !== null && <FactRow label="seed">{facts.seed}</FactRow>}
      {facts.take > 0 && <FactRow label="take">{facts.take}</FactRow>}
      {facts.coordinate.filter(isNews(facts)).map(([axis, label]) => (
        <FactRow key={axis} label={axis}>
          {label}
        </FactRow>
      ))}
      {Object.entries(facts.settings).map(([name, value]) => (
        <FactRow key={name} label={humanize(name)}>
          {valueText(value)}
        </FactRow>
      ))}
      {facts.cost_micro_usd !== null && (
        <FactRow label="cost">{`${facts.cost_is_exact ? "" : "about "}${formatUsd(facts.cost_micro_usd)}`}</FactRow>
      )}
      {ended !== null && <FactRow label="made">{moment(ended)}</FactRow>}
      {ended !== null && began !== null && <FactRow label="took">{formatSeconds((ended - began) / 1e6)}</FactRow>}
      {began !== null && asked !== null && began - asked >= 1e5 && (
        <FactRow label="waited">{formatSeconds((began - asked) / 1e6)}</FactRow>
      )}
      {facts.flow_name && <FactRow label="flow">{facts.flow_name}</FactRow>}
      {facts.error && <FactRow label="error">{facts.error.message}</FactRow>}
    </>
  )
}

/** A label that neither the seed nor the prompt says already. */
const isNews =
  ({ seed, prompt }: GenerationFacts) =>
  ([, label]: [string, string]): boolean =>
    label !== String(seed) && label !== prompt

function FactRow({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <>
      <dt>{label}</dt>
      <dd className="ff-mono">{children}</dd>
    </>
  )
}

function Inputs({ facts }: { facts: GenerationFacts }) {
  return (
    <div className="ff-inputs">
      <h2>Made from</h2>
      {facts.inputs.map((one) => (
        <figure key={`${one.port} ${one.index}`}>
          <span className="ff-cell">{one.cell && <PreviewImage cell={one.cell} name={one.port} />}</span>
          <figcaption>{humanize(one.port)}</figcaption>
        </figure>
      ))}
    </div>
  )
}

const valueText = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value))

const moment = (us: number): string =>
  new Date(us / 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short", hour12: false })
