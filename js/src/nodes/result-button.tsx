/** A result on a node that can be looked at: by double click, Enter or Space; Shift and click, or C, marks it to compare. */

import { useBridge, useCanvas } from "../bridge/context"
import { isSameRef, type ResultRef } from "../state/viewer-state"

interface Props {
  nodeId: string
  /** Key of the cell. */
  cellKey: string
  /** What it is called. */
  name: string
  /** There is nothing to see yet: a hole, or a job that goes on. */
  isDisabled?: boolean
  children: React.ReactNode
}

export function ResultButton({ nodeId, cellKey, name, isDisabled = false, children }: Props) {
  const { viewer } = useBridge()
  const ref: ResultRef = { kind: "node", nodeId, key: cellKey }
  const mark = useCanvas((state) => state.marked.findIndex((one) => isSameRef(one, ref)))
  if (isDisabled) return children
  const done = (event: React.SyntheticEvent) => {
    event.preventDefault()
    event.stopPropagation()
  }
  const keys = (event: React.KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Enter" || event.key === " ") viewer.open(ref)
    else if (event.key.toLowerCase() === "c") viewer.toggleMark(ref)
    else return
    done(event)
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a field set of form controls it is not
    <div
      className={`ff-look${mark >= 0 ? " is-marked" : ""}`}
      role="group"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what it holds may be a player with buttons of its own
      tabIndex={0}
      aria-label={`${name}: Enter looks at it, C marks it to compare`}
      onKeyDown={keys}
      onDoubleClick={(event) => {
        viewer.open(ref)
        done(event)
      }}
      onClick={(event) => {
        if (!event.shiftKey) return
        viewer.toggleMark(ref)
        done(event)
      }}
    >
      {children}
      {mark >= 0 && <span className="ff-mark">{mark + 1}</span>}
    </div>
  )
}
