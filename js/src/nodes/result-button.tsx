/** A result on a node that can be looked at: by double click, Enter or Space; Shift and click, or C, marks it to compare. */

import { useBridge, useCanvas } from "../bridge/context"
import { isSameRef, type ResultRef } from "../state/viewer-state"

interface Props {
  nodeId: string
  /** Key of the cell. */
  at: string
  /** What it is called. */
  name: string
  /** There is nothing to see yet: a hole, or a job that goes on. */
  isOff?: boolean
  children: React.ReactNode
}

export function ResultButton({ nodeId, at, name, isOff = false, children }: Props) {
  const { looking } = useBridge()
  const ref: ResultRef = { kind: "node", nodeId, key: at }
  const mark = useCanvas((state) => state.marked.findIndex((one) => isSameRef(one, ref)))
  if (isOff) return children
  const done = (event: React.SyntheticEvent) => {
    event.preventDefault()
    event.stopPropagation()
  }
  const keys = (event: React.KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Enter" || event.key === " ") looking.look(ref)
    else if (event.key.toLowerCase() === "c") looking.mark(ref)
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
        looking.look(ref)
        done(event)
      }}
      onClick={(event) => {
        if (!event.shiftKey) return
        looking.mark(ref)
        done(event)
      }}
    >
      {children}
      {mark >= 0 && <span className="ff-mark">{mark + 1}</span>}
    </div>
  )
}
