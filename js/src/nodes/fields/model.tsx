/** The model picker: who can do the task, for how much, how, until when, and whether a key is there. */

import { useId, useLayoutEffect, useRef, useState } from "react"
import { createPortal } from "react-dom"
import { useBridge, useCanvas } from "../../bridge/context"
import { humanize, taskOf } from "../../state/form"
import { fuzzyScore } from "../../state/search"
import type { Model } from "../../wire/catalog"
import type { ControlProps } from "./field"

export function ModelControl({ nodeId, id, value, onChange }: ControlProps & { nodeId: string }) {
  const [place, setPlace] = useState<DOMRect | null>(null)
  const button = useRef<HTMLButtonElement>(null)
  const model = useCanvas((state) => (typeof value === "string" ? state.models.get(value) : undefined))
  const close = () => {
    setPlace(null)
    button.current?.focus()
  }
  return (
    <>
      <button
        ref={button}
        id={id}
        type="button"
        className="ff-box ff-select"
        aria-haspopup="listbox"
        aria-expanded={place !== null}
        onClick={(event) => setPlace(event.currentTarget.getBoundingClientRect())}
      >
        <span>{model?.title ?? (value ? String(value) : "choose a model")}</span>
        {model && !model.has_key && <span className="ff-chip is-warn">no key</span>}
        <span aria-hidden="true">▾</span>
      </button>
      {place && (
        <Picker nodeId={nodeId} place={place} current={String(value ?? "")} onClose={close} onChange={onChange} />
      )}
    </>
  )
}

interface PickerProps {
  nodeId: string
  place: DOMRect
  current: string
  onClose: () => void
  onChange: (value: string) => void
}

const HEIGHT = 340

function Picker({ nodeId, place, current, onClose, onChange }: PickerProps) {
  const { store, derived, root: holder } = useBridge()
  const list = useId()
  const [query, setQuery] = useState("")
  const card = derived.card(store.getState(), nodeId)
  const task = card && taskOf(card.facts.type, card.connected)
  const models = useCanvas((state) => state.models)
  const able = [...models.values()].filter((one) => task != null && one.tasks.includes(task))
  const found = able.filter((one) => fuzzyScore(query, `${one.title} ${one.id}`) > 0)
  const [active, setActive] = useState(() =>
    Math.max(
      0,
      able.findIndex((one) => one.id === current),
    ),
  )
  const at = Math.min(active, found.length - 1)
  const choose = (model: Model | undefined) => {
    if (!model) return
    onChange(model.id)
    onClose()
  }
  const keys = (event: React.KeyboardEvent) => {
    event.stopPropagation()
    if (event.key === "Escape" || event.key === "Tab") onClose()
    else if (event.key === "Enter") choose(found[at])
    else if (event.key === "ArrowDown") setActive(Math.min(found.length - 1, at + 1))
    else if (event.key === "ArrowUp") setActive(Math.max(0, at - 1))
    else return
    event.preventDefault()
  }
  const field = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => field.current?.focus(), [])
  const root = holder.current
  if (!root) return null
  const frame = root.getBoundingClientRect()
  const isBelow = place.bottom - frame.top + HEIGHT < frame.height
  const top = isBelow ? place.bottom - frame.top + 4 : Math.max(8, place.top - frame.top - HEIGHT - 4)
  const left = Math.max(8, Math.min(place.left - frame.left, frame.width - 348))
  return createPortal(
    <>
      <button type="button" className="ff-veil" tabIndex={-1} aria-label="Close" onClick={onClose} />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: it hears the keys of the combobox within */}
      <div className="ff-pop ff-models" style={{ left, top, maxHeight: HEIGHT }} onKeyDown={keys}>
        <input
          ref={field}
          className="ff-search"
          role="combobox"
          aria-expanded="true"
          aria-controls={list}
          aria-activedescendant={found[at] && `${list}-${at}`}
          aria-label="Find a model"
          placeholder={task ? `Find a model for ${humanize(task)}` : "Find a model"}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
        />
        <div id={list} role="listbox" aria-label="Models" className="ff-list">
          {found.map((model, index) => (
            <Row
              key={model.id}
              id={`${list}-${index}`}
              model={model}
              isActive={index === at}
              isChosen={model.id === current}
              onChoose={() => choose(model)}
              onHover={() => setActive(index)}
            />
          ))}
          {found.length === 0 && <p className="ff-none">No model does this under that name.</p>}
        </div>
      </div>
    </>,
    root,
  )
}

interface RowProps {
  id: string
  model: Model
  isActive: boolean
  isChosen: boolean
  onChoose: () => void
  onHover: () => void
}

function Row({ id, model, isActive, isChosen, onChoose, onHover }: RowProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox holds the keys
    <div
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={isActive}
      className="ff-model"
      onClick={onChoose}
      onPointerMove={onHover}
    >
      <span className="ff-model-name">
        {isChosen && <span aria-hidden="true">✓ </span>}
        {model.title}
      </span>
      <span className="ff-mono">{model.price_text}</span>
      <span className="ff-muted">
        {model.provider} · {model.method}
        {model.retires_on && (
          <b className="ff-warn">
            {" "}
            · until {model.retires_on}
            {model.successor && `, then ${model.successor}`}
          </b>
        )}
      </span>
      <span className="ff-can">{model.tasks.map((one) => humanize(one)).join(", ")}</span>
      {!model.has_key && (
        <span className="ff-connect ff-warn">
          needs a key: run <code>ff.connect("{model.provider}")</code>
        </span>
      )}
    </div>
  )
}
