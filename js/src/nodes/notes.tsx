/** Groups and comments on the canvas. */

import { type NodeProps, useStore as useFlowStore } from "@xyflow/react"
import { memo } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { estimatePrice, formatUsdRange } from "../state/format"
import { findNote, NOTE_COLORS, type Note } from "../state/notes"
import { EditableTitle } from "./editable-title"
import { detailLevel } from "./node-card"
import { ResizeHandle } from "./resize-handle"

const useNote = (id: string) => useCanvas((state) => findNote(state.shared.document, id))

/** Frame around nodes. Nodes inside it move with it. */
export const GroupNode = memo(function Region({ id, selected }: NodeProps) {
  const note = useNote(id)
  const detail = useFlowStore((state) => detailLevel(state.transform[2]))
  const isOnly = useCanvas((state) => state.selection.size === 1)
  if (!note) return null
  return (
    <section
      className={`ff-region at-${detail}${selected ? " is-selected" : ""}`}
      style={{ "--ff-c": note.color } as React.CSSProperties}
      aria-label={`Group ${note.text}`}
    >
      <header className="ff-region-head">
        <EditableTitle id={id} title={note.text} />
      </header>
      {selected && isOnly && <NoteActions note={note} />}
      {selected && isOnly && <ResizeHandle note={note} />}
    </section>
  )
})

/** Text note on the canvas. */
export const CommentNode = memo(function Comment({ id, selected }: NodeProps) {
  const { store, editing } = useBridge()
  const note = useNote(id)
  const isWriting = useCanvas((state) => state.renaming === id)
  const isOnly = useCanvas((state) => state.selection.size === 1)
  if (!note) return null
  const commit = (text: string) => {
    if (store.getState().renaming !== id) return
    store.setState({ renaming: null })
    if (text !== note.text) editing.setNote(id, { text })
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: F2 does the same from the keyboard
    <div
      className={`ff-comment${selected ? " is-selected" : ""}`}
      style={{ "--ff-c": note.color } as React.CSSProperties}
      onDoubleClick={(event) => {
        event.stopPropagation()
        store.setState({ renaming: id })
      }}
    >
      {isWriting ? (
        <textarea
          className="nodrag nowheel"
          aria-label="Comment"
          defaultValue={note.text}
          placeholder="Write a comment…"
          ref={(field) => field?.focus()}
          onBlur={(event) => commit(event.currentTarget.value)}
          onKeyDown={(event) => {
            event.stopPropagation()
            if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) {
              commit(event.currentTarget.value)
            }
          }}
        />
      ) : (
        <p>{note.text || <span className="ff-muted">Double-click or press F2 to edit</span>}</p>
      )}
      {selected && isOnly && <NoteActions note={note} />}
      {selected && isOnly && <ResizeHandle note={note} />}
    </div>
  )
})

function NoteActions({ note }: { note: Note }) {
  const { editing } = useBridge()
  const isGroup = note.kind === "group"
  const price = useCanvas((state) => {
    const ids = isGroup ? editing.membersOf(note).filter((id) => state.shared.document.nodes.has(id)) : []
    const { low, high, nodes } = estimatePrice(state.shared.document, state.plan, ids)
    return nodes.length > 0 ? formatUsdRange(low, high) : ""
  })
  return (
    <div className="ff-actions nodrag" role="toolbar" aria-label={`Actions for this ${note.kind}`}>
      {isGroup && (
        <button type="button" disabled={price === ""} onClick={() => editing.run(editing.selectedNodes())}>
          ▶ Run <span className="ff-mono">{price}</span>
        </button>
      )}
      {NOTE_COLORS.map(([name, color]) => (
        <button
          key={name}
          type="button"
          className="ff-swatch"
          aria-pressed={note.color === color}
          aria-label={name}
          title={name}
          style={{ "--ff-c": color } as React.CSSProperties}
          onClick={() => editing.setNote(note.id, { color })}
        />
      ))}
      <button
        type="button"
        onClick={() => editing.removeSelected()}
        title={isGroup ? "Remove the group and keep its nodes (Del)" : "Remove (Del)"}
      >
        Remove
      </button>
    </div>
  )
}
