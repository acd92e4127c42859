/** The results that are chosen to be compared, and the button that does it. */

import { useBridge, useCanvas } from "../bridge/context"
import { MIN_COMPARED } from "../state/viewer-state"

export function CompareBar() {
  const { viewer, root } = useBridge()
  const count = useCanvas((state) => (state.viewing ? 0 : state.marked.length))
  if (count === 0) return null
  return (
    <section className="ff-marks" aria-label="To compare" aria-live="polite">
      <span>{count < MIN_COMPARED ? "1 picture marked: mark another" : `${count} pictures marked`}</span>
      <button
        type="button"
        className="ff-button is-primary"
        disabled={count < MIN_COMPARED}
        onClick={() => viewer.compare()}
        title="Compare them (K)"
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
