/** Commands of the viewer, shared by mouse, keyboard and menus. */

import type { DerivedState } from "./derived"
import type { Session } from "./session"
import {
  counterpartResult,
  isSameRef,
  MAX_COMPARED,
  MIN_COMPARED,
  nodeResults,
  type ResultRef,
  resolveResult,
  siblingResults,
  toggleMarked,
  type ViewedResult,
} from "./viewer-state"

export class ViewerCommands {
  constructor(
    private readonly session: Session,
    private readonly derived: DerivedState,
  ) {}

  private get state() {
    return this.session.store.getState()
  }

  /** Opens a result in the viewer. */
  open(ref: ResultRef): void {
    if (!this.shown(ref)) return
    this.session.store.setState({ viewing: { refs: [ref], isComparing: false }, panel: null })
  }

  /** Opens a node's first result. Returns false without a result. */
  openNode(nodeId: string): boolean {
    const [first] = nodeResults(this.state, this.derived, nodeId)
    if (first) this.open(first)
    else this.session.notify("There is no result to show yet.")
    return first !== undefined
  }

  /** Adds a result to the comparison, or removes it. */
  toggleMark(ref: ResultRef): void {
    const result = this.shown(ref)
    if (!result) return
    if (result.kind !== "image") {
      this.session.notify("Only images can be compared.")
      return
    }
    this.session.store.setState(({ marked }) => ({ marked: toggleMarked(marked, ref) }))
  }

  isMarked = (ref: ResultRef): boolean => this.state.marked.some((mark) => isSameRef(mark, ref))

  /** Compares images, by default the marked ones. */
  compare(refs: readonly ResultRef[] = this.state.marked): void {
    const images = refs.filter((ref) => this.shown(ref)?.kind === "image").slice(0, MAX_COMPARED)
    if (images.length < MIN_COMPARED) this.session.notify("Mark two to four images to compare: Shift-click or C.")
    else this.session.store.setState({ viewing: { refs: images, isComparing: true }, panel: null })
  }

  /** Compares the first results of a node's batch. */
  compareNode(nodeId: string): void {
    this.compare(nodeResults(this.state, this.derived, nodeId))
  }

  clearMarks(): void {
    this.session.store.setState({ marked: [] })
  }

  close(): void {
    this.session.store.setState({ viewing: null })
  }

  /** Opens the next or previous result. Wraps around. */
  step(shown: ViewedResult, by: number): void {
    const row = siblingResults(this.state, this.derived, shown.ref)
    const index = row.findIndex((item) => isSameRef(item, shown.ref))
    const next = row[(index + by + row.length) % row.length]
    if (next) this.open(next)
  }

  /** Switches between the node's results and the tape. */
  switchRow(shown: ViewedResult): void {
    const counterpart = counterpartResult(this.state, this.derived, shown)
    if (counterpart) this.open(counterpart)
    else this.session.notify("There is no other result to show.")
  }

  shown = (ref: ResultRef): ViewedResult | null => resolveResult(this.state, this.derived, ref)
}
