/** Result on a node. Double-click, Enter or Space opens the viewer; Shift+click or C marks it for comparison. */

import { useBridge, useCanvas } from "../bridge/context"
import { isSameRef, type ResultRef } from "../state/viewer-state"

interface Props {
  nodeId: string
  /** Key of the result cell. */
  cellKey: string
  /** Accessible name. */
  name: string
  /** No result to open: the cell is empty or its job is still running. */
  isDisabled?: boolean
  children: React.ReactNode
}

export function ResultButton({ nodeId, cellKey, name, isDisabled = false, children }: Props) {
  const { viewer } = useBridge()
  const ref: ResultRef = { kind: "node", nodeId, key: cellKey }
  const mark = useCanvas((state) => state.marked.findIndex((marked) => isSameRef(marked, ref)))
  if (isDisabled) return children
  const consume = (event: React.SyntheticEvent) => {
    event.preventDefault()
    event.stopPropagation()
  }
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Enter" || event.key === " ") viewer.open(ref)
    else if (event.key.toLowerCase() === "c") viewer.toggleMark(ref)
    else return
    consume(event)
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: not a group of form controls
    <div
      className={`ff-look${mark >= 0 ? " is-marked" : ""}`}
      role="group"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the content may be a player with its own buttons
      tabIndex={0}
      aria-label={`${name}: Enter to view, C to mark for comparison`}
      onKeyDown={onKeyDown}
      onDoubleClick={(event) => {
        viewer.open(ref)
        consume(event)
      }}
      onClick={(event) => {
        if (!event.shiftKey) return
        viewer.toggleMark(ref)
        consume(event)
      }}
    >
      {children}
      {mark >= 0 && <span className="ff-mark">{mark + 1}</span>}
    </div>
  )
}
