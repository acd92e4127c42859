/** Model picker: models that support the task, with price, method, retirement date and missing keys. */

import { useId, useLayoutEffect, useRef, useState } from "react"
import { createPortal } from "react-dom"
import { useBridge, useCanvas } from "../../bridge/context"
import { humanize, taskOf } from "../../state/form"
import { fuzzyScore } from "../../state/search"
import type { Model } from "../../wire/catalog"
import type { ControlProps } from "./field"

export function ModelControl({ nodeId, id, value, onChange }: ControlProps & { nodeId: string }) {
  const [anchor, setAnchor] = useState<DOMRect | null>(null)
  const button = useRef<HTMLButtonElement>(null)
  const model = useCanvas((state) => (typeof value === "string" ? state.models.get(value) : undefined))
  const close = () => {
    setAnchor(null)
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
        aria-expanded={anchor !== null}
        onClick={(event) => setAnchor(event.currentTarget.getBoundingClientRect())}
      >
        <span>{model?.title ?? (value ? String(value) : "Choose a model")}</span>
        {model && !model.has_key && <span className="ff-chip is-warn">no key</span>}
        <span aria-hidden="true">▾</span>
      </button>
      {anchor && (
        <Picker nodeId={nodeId} anchor={anchor} current={String(value ?? "")} onClose={close} onChange={onChange} />
      )}
    </>
  )
}

interface PickerProps {
  nodeId: string
  anchor: DOMRect
  current: string
  onClose: () => void
  onChange: (value: string) => void
}

const HEIGHT = 340

function Picker({ nodeId, anchor, current, onClose, onChange }: PickerProps) {
  const { store, derived, root: rootRef } = useBridge()
  const list = useId()
  const [query, setQuery] = useState("")
  const card = derived.card(store.getState(), nodeId)
  const task = card && taskOf(card.facts.type, card.connected)
  const models = useCanvas((state) => state.models)
  const candidates = [...models.values()].filter((model) => task != null && model.tasks.includes(task))
  const matches = candidates.filter((model) => fuzzyScore(query, `${model.title} ${model.id}`) > 0)
  const [active, setActive] = useState(() =>
    Math.max(
      0,
      candidates.findIndex((model) => model.id === current),
    ),
  )
  const activeIndex = Math.min(active, matches.length - 1)
  const choose = (model: Model | undefined) => {
    if (!model) return
    onChange(model.id)
    onClose()
  }
  const onKeyDown = (event: React.KeyboardEvent) => {
    event.stopPropagation()
    if (event.key === "Escape" || event.key === "Tab") onClose()
    else if (event.key === "Enter") choose(matches[activeIndex])
    else if (event.key === "ArrowDown") setActive(Math.min(matches.length - 1, activeIndex + 1))
    else if (event.key === "ArrowUp") setActive(Math.max(0, activeIndex - 1))
    else return
    event.preventDefault()
  }
  const field = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => field.current?.focus(), [])
  const root = rootRef.current
  if (!root) return null
  const frame = root.getBoundingClientRect()
  const isBelow = anchor.bottom - frame.top + HEIGHT < frame.height
  const top = isBelow ? anchor.bottom - frame.top + 4 : Math.max(8, anchor.top - frame.top - HEIGHT - 4)
  const left = Math.max(8, Math.min(anchor.left - frame.left, frame.width - 348))
  return createPortal(
    <>
      <button type="button" className="ff-veil" tabIndex={-1} aria-label="Close" onClick={onClose} />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: handles the keys of the combobox inside */}
      <div className="ff-pop ff-models" style={{ left, top, maxHeight: HEIGHT }} onKeyDown={onKeyDown}>
        <input
          ref={field}
          className="ff-search"
          role="combobox"
          aria-expanded="true"
          aria-controls={list}
          aria-activedescendant={matches[activeIndex] && `${list}-${activeIndex}`}
          aria-label="Find a model"
          placeholder={task ? `Find a model for ${humanize(task)}` : "Find a model"}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
        />
        <div id={list} role="listbox" aria-label="Models" className="ff-list">
          {matches.map((model, index) => (
            <Row
              key={model.id}
              id={`${list}-${index}`}
              model={model}
              isActive={index === activeIndex}
              isChosen={model.id === current}
              onChoose={() => choose(model)}
              onHover={() => setActive(index)}
            />
          ))}
          {matches.length === 0 && <p className="ff-none">No matching models</p>}
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
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox handles the keys
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
            {model.successor && `, replaced by ${model.successor}`}
          </b>
        )}
      </span>
      <span className="ff-can">{model.tasks.map((task) => humanize(task)).join(", ")}</span>
      {!model.has_key && (
        <span className="ff-connect ff-warn">
          needs a key: run <code>ff.connect("{model.provider}")</code>
        </span>
      )}
    </div>
  )
}
