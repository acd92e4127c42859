/** Form control of a field, rendered from its schema. Shared by node, inspector and viewer. */

import { memo } from "react"
import { useBridge } from "../../bridge/context"
import { type Field, validateField } from "../../state/form"
import type { Json } from "../../wire/flow"
import { ColorControl } from "./color"
import { ModelControl } from "./model"
import { NumberControl, SeedControl, SliderControl } from "./numbers"
import { ListControl, TextControl } from "./text"

interface Props {
  nodeId: string
  field: Field
  value: Json
  /** Render without a label. */
  isBare?: boolean
  /** Part of the element id, so that two views of the same field have different ids. */
  place: "card" | "inspector" | "viewer"
}

export interface ControlProps {
  id: string
  field: Field
  value: Json
  onChange: (value: Json) => void
  problem: string | null
}

export const FieldRow = memo(function FieldRow({ nodeId, field, value, isBare = false, place }: Props) {
  const { editing, session } = useBridge()
  // The client id keeps ids unique when the page shows two canvases.
  const id = `ff-${place}-${nodeId}-${field.name}-${session.clientId}`
  const problem = validateField(field, value)
  const control = { id, field, value, problem, onChange: (next: Json) => editing.set(nodeId, field, next) }
  return (
    <div className={`ff-field nodrag${problem ? " is-wrong" : ""}`}>
      {!isBare && (
        <label htmlFor={id}>
          <span>{field.label}</span>
          <span className="ff-hint">{problem ?? <Hint field={field} value={value} />}</span>
        </label>
      )}
      <Control nodeId={nodeId} {...control} label={isBare ? field.label : undefined} />
    </div>
  )
})

function Hint({ field, value }: { field: Field; value: Json }) {
  const { store } = useBridge()
  if (field.control === "model") {
    const model = typeof value === "string" ? store.getState().models.get(value) : undefined
    return <>{model ? `${model.provider} · ${model.price_text}` : ""}</>
  }
  if (field.control === "slider") return <span className="ff-mono">{value === null ? "default" : String(value)}</span>
  return field.description.length <= 24 ? field.description : null
}

function Control({ nodeId, label, ...props }: ControlProps & { nodeId: string; label?: string }) {
  const { field, id, value, onChange } = props
  switch (field.control) {
    case "slider":
      return <SliderControl {...props} />
    case "number":
      return <NumberControl {...props} />
    case "seed":
      return <SeedControl nodeId={nodeId} {...props} />
    case "model":
      return <ModelControl nodeId={nodeId} {...props} />
    case "choice":
      return (
        <select
          id={id}
          className="ff-box nowheel"
          value={JSON.stringify(value)}
          onChange={(event) => onChange(JSON.parse(event.currentTarget.value))}
        >
          {!field.choices?.includes(value) && (
            <option value={JSON.stringify(value)}>{value === null ? "default" : String(value)}</option>
          )}
          {field.choices?.map((choice) => (
            <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
              {String(choice)}
            </option>
          ))}
        </select>
      )
    case "toggle":
      return (
        <label className="ff-toggle">
          <input
            id={id}
            type="checkbox"
            checked={value === true}
            onChange={(event) => onChange(event.currentTarget.checked)}
          />
          <span>{value ? "on" : "off"}</span>
        </label>
      )
    case "color":
      return <ColorControl id={id} label={field.label} value={value} onChange={onChange} />
    case "text":
      return <TextControl {...props} label={label} />
    default:
      return <ListControl {...props} label={label} />
  }
}
