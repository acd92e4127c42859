/** Bar with the number of results marked for comparison and the Compare button. */

import { useBridge, useCanvas } from "../bridge/context"
import { MIN_COMPARED } from "../state/viewer-state"

export function CompareBar() {
  const { viewer, root } = useBridge()
  const count = useCanvas((state) => (state.viewing ? 0 : state.marked.length))
  if (count === 0) return null
  return (
    <section className="ff-marks" aria-label="Comparison" aria-live="polite">
      <span>{count < MIN_COMPARED ? "1 picture marked: mark another" : `${count} pictures marked`}</span>
      <button
        type="button"
        className="ff-button is-primary"
        disabled={count < MIN_COMPARED}
        onClick={() => viewer.compare()}
        title="Compare (K)"
      >
        Compare
      </button>
      <button
        type="button"
        className="ff-button"
        onClick={() => {
          viewer.clearMarks()
          root.current?.focus({ preventScroll: true })
        }}
      >
        Clear
      </button>
    </section>
  )
}
