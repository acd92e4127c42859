/** Details of a result: prompt, settings, inputs, time and cost of its generation. */

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

export function GenerationDetails({ result }: { result: ViewedResult }) {
  const generation = useGeneration(result.generationId)
  const { facts } = generation
  return (
    <aside className="ff-about" aria-label="Details">
      {result.nodeId !== null && <GradeFields nodeId={result.nodeId} />}
      {facts?.prompt && <Prompt text={facts.prompt} />}
      <dl className="ff-facts">
        <Size cell={result.cell} />
        {facts && <GenerationRows facts={facts} />}
      </dl>
      {facts && facts.inputs.length > 0 && <Inputs facts={facts} />}
      {generation.isLoading && <p className="ff-muted">Loading details…</p>}
      {generation.problem && <p className="ff-warn">{generation.problem}</p>}
      {result.generationId === null && <p className="ff-muted">No generation is recorded for this result.</p>}
    </aside>
  )
}

/** Settings of a grade node, editable while its result is shown. */
function GradeFields({ nodeId }: { nodeId: string }) {
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
  const { started_at_us: startedAtUs, finished_at_us: finishedAtUs, queued_at_us: queuedAtUs } = facts
  return (
    <>
      {facts.model && <FactRow label="model">{facts.model}</FactRow>}
      {!facts.model && facts.provider && <FactRow label="provider">{facts.provider}</FactRow>}
      {facts.seed !== null && <FactRow label="seed">{facts.seed}</FactRow>}
      {facts.take > 0 && <FactRow label="take">{facts.take}</FactRow>}
      {facts.coordinate.filter(isNewLabel(facts)).map(([axis, label]) => (
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
      {finishedAtUs !== null && <FactRow label="finished">{formatTime(finishedAtUs)}</FactRow>}
      {finishedAtUs !== null && startedAtUs !== null && (
        <FactRow label="duration">{formatSeconds((finishedAtUs - startedAtUs) / 1e6)}</FactRow>
      )}
      {startedAtUs !== null && queuedAtUs !== null && startedAtUs - queuedAtUs >= 1e5 && (
        <FactRow label="queued for">{formatSeconds((startedAtUs - queuedAtUs) / 1e6)}</FactRow>
      )}
      {facts.flow_name && <FactRow label="flow">{facts.flow_name}</FactRow>}
      {facts.error && <FactRow label="error">{facts.error.message}</FactRow>}
    </>
  )
}

/** Leaves out labels that repeat the seed or the prompt. */
const isNewLabel =
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
      <h2>Inputs</h2>
      {facts.inputs.map((input) => (
        <figure key={`${input.port} ${input.index}`}>
          <span className="ff-cell">{input.cell && <PreviewImage cell={input.cell} name={input.port} />}</span>
          <figcaption>{humanize(input.port)}</figcaption>
        </figure>
      ))}
    </div>
  )
}

const valueText = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value))

const formatTime = (us: number): string =>
  new Date(us / 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short", hour12: false })
