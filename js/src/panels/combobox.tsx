/** Search field with a list of options, usable by keyboard. Shared by the palette, the finder and the connect panel. */

import { type ReactNode, useEffect, useId, useRef, useState } from "react"

export interface ComboboxOption {
  key: string
  /** Heading above the option; empty for none. */
  group: string
  content: ReactNode
}

interface Props {
  label: string
  placeholder: string
  find: (query: string) => ComboboxOption[]
  onChoose: (key: string) => void
  /** Makes rows draggable: fills the transfer data of a dragged row. */
  onDrag?: (key: string, data: DataTransfer) => void
  emptyText: string
}

export function Combobox({ label, placeholder, find, onChoose, onDrag, emptyText }: Props) {
  const id = useId()
  const [query, setQuery] = useState("")
  const [active, setActive] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const options = find(query)
  const activeIndex = Math.min(active, options.length - 1)
  // biome-ignore lint/correctness/useExhaustiveDependencies: scroll when the active row changes
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" })
  }, [activeIndex])
  const onKeyDown = (event: React.KeyboardEvent) => {
    const chosen = options[activeIndex]
    if (event.key === "ArrowDown") setActive(Math.min(options.length - 1, activeIndex + 1))
    else if (event.key === "ArrowUp") setActive(Math.max(0, activeIndex - 1))
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
        aria-activedescendant={options[activeIndex] && `${id}-${activeIndex}`}
        aria-label={label}
        placeholder={placeholder}
        value={query}
        spellCheck={false}
        onKeyDown={onKeyDown}
        onChange={(event) => {
          setQuery(event.currentTarget.value)
          setActive(0)
        }}
      />
      <div ref={list} id={id} role="listbox" aria-label={label} className="ff-list">
        {options.map((option, index) => (
          <OptionRow
            key={option.key}
            id={`${id}-${index}`}
            heading={option.group !== options[index - 1]?.group ? option.group : ""}
            isActive={index === activeIndex}
            onChoose={() => onChoose(option.key)}
            onHover={() => setActive(index)}
            onDrag={onDrag && ((data) => onDrag(option.key, data))}
          >
            {option.content}
          </OptionRow>
        ))}
      </div>
      {options.length === 0 && <p className="ff-none">{emptyText}</p>}
    </>
  )
}

interface OptionRowProps {
  id: string
  heading: string
  isActive: boolean
  onChoose: () => void
  onHover: () => void
  onDrag?: (data: DataTransfer) => void
  children: ReactNode
}

function OptionRow({ id, heading, isActive, onChoose, onHover, onDrag, children }: OptionRowProps) {
  return (
    <>
      {heading && (
        <span className="ff-heading" role="presentation">
          {heading}
        </span>
      )}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the combobox handles the keys */}
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
