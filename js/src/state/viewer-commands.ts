/** What a person does to look at results: each a command that mouse, keys and menus share. */

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

  /** Look at one result, over the whole canvas. */
  open(ref: ResultRef): void {
    if (!this.shown(ref)) return
    this.session.store.setState({ viewing: { refs: [ref], isComparing: false }, panel: null })
  }

  /** Look at what a node gave first; false where it gave nothing yet. */
  openNode(nodeId: string): boolean {
    const [first] = nodeResults(this.state, this.derived, nodeId)
    if (first) this.open(first)
    else this.session.notify("There is no result to look at yet.")
    return first !== undefined
  }

  /** Take a result into the comparison, or out of it. */
  toggleMark(ref: ResultRef): void {
    const resolve = this.shown(ref)
    if (!resolve) return
    if (resolve.kind !== "image") {
      this.session.notify("Only pictures can be compared.")
      return
    }
    this.session.store.setState(({ marked }) => ({ marked: toggleMarked(marked, ref) }))
  }

  isMarked = (ref: ResultRef): boolean => this.state.marked.some((one) => isSameRef(one, ref))

  /** Compare pictures: those given, else those that are marked. */
  compare(refs: readonly ResultRef[] = this.state.marked): void {
    const pictures = refs.filter((ref) => this.shown(ref)?.kind === "image").slice(0, MAX_COMPARED)
    if (pictures.length < MIN_COMPARED)
      this.session.notify("Mark two to four pictures to compare: Shift and click, or C.")
    else this.session.store.setState({ viewing: { refs: pictures, isComparing: true }, panel: null })
  }

  /** Compare the first results of a node's batch. */
  compareNode(nodeId: string): void {
    this.compare(nodeResults(this.state, this.derived, nodeId))
  }

  clearMarks(): void {
    this.session.store.setState({ marked: [] })
  }

  close(): void {
    this.session.store.setState({ viewing: null })
  }

  /** The result before or after this one; the row is a ring. */
  step(shown: ViewedResult, by: number): void {
    const row = siblingResults(this.state, this.derived, shown.ref)
    const here = row.findIndex((one) => isSameRef(one, shown.ref))
    const next = row[(here + by + row.length) % row.length]
    if (next) this.open(next)
  }

  /** From the node's results to the tape, or back. */
  switchRow(shown: ViewedResult): void {
    const there = counterpartResult(this.state, this.derived, shown)
    if (there) this.open(there)
    else this.session.notify("There is nothing else to look at.")
  }

  shown = (ref: ResultRef): ViewedResult | null => resolveResult(this.state, this.derived, ref)
}
