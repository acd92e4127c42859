/** A field to search with and a list to choose from, worked by keys alone: the palette's and the finder's common part. */

import { type ReactNode, useEffect, useId, useRef, useState } from "react"

export interface ComboboxOption {
  key: string
  /** Under which heading it stands. */
  group: string
  content: ReactNode
}

interface Props {
  label: string
  placeholder: string
  find: (query: string) => ComboboxOption[]
  onChoose: (key: string) => void
  /** Rows can be dragged away: fill in what they carry. */
  onDrag?: (key: string, carried: DataTransfer) => void
  emptyText: string
}

export function Combobox({ label, placeholder, find, onChoose, onDrag, emptyText }: Props) {
  const id = useId()
  const [query, setQuery] = useState("")
  const [active, setActive] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const found = find(query)
  const at = Math.min(active, found.length - 1)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the row that is active now
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" })
  }, [at])
  const keys = (event: React.KeyboardEvent) => {
    const chosen = found[at]
    if (event.key === "ArrowDown") setActive(Math.min(found.length - 1, at + 1))
    else if (event.key === "ArrowUp") setActive(Math.max(0, at - 1))
    else if (event.key === "Enter" && chosen) onChoose(chosen.key)
    else return
    event.preventDefault()
  }
  return (
    <>
      <input
        className="ff-search"
        role="combobox"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found[at] && `${id}-${at}`}
        aria-label={label}
        placeholder={placeholder}
        value={query}
        spellCheck={false}
        onKeyDown={keys}
        onChange={(event) => {
          setQuery(event.currentTarget.value)
          setActive(0)
        }}
      />
      <div ref={list} id={id} role="listbox" aria-label={label} className="ff-list">
        {found.map((choice, index) => (
          <OptionRow
            key={choice.key}
            id={`${id}-${index}`}
            heading={choice.group !== found[index - 1]?.group ? choice.group : ""}
            isActive={index === at}
            onChoose={() => onChoose(choice.key)}
            onHover={() => setActive(index)}
            onDrag={onDrag && ((carried) => onDrag(choice.key, carried))}
          >
            {choice.content}
          </OptionRow>
        ))}
      </div>
      {found.length === 0 && <p className="ff-none">{emptyText}</p>}
    </>
  )
}

interface LineProps {
  id: string
  heading: string
  isActive: boolean
  onChoose: () => void
  onHover: () => void
  onDrag?: (carried: DataTransfer) => void
  children: ReactNode
}

function OptionRow({ id, heading, isActive, onChoose, onHover, onDrag, children }: LineProps) {
  return (
    <>
      {heading && (
        <span className="ff-heading" role="presentation">
          {heading}
        </span>
      )}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the combobox holds the keys */}
      <div
        id={id}
        role="option"
        tabIndex={-1}
        aria-selected={isActive}
        className="ff-option"
        onClick={onChoose}
        onPointerMove={onHover}
        draggable={onDrag !== undefined}
        onDragStart={(event) => onDrag?.(event.dataTransfer)}
      >
        {children}
      </div>
    </>
  )
}
