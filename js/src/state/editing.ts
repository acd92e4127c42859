/** Commands of the user as edits, shared by keyboard, menus and toolbar. */

import type { NodeType } from "../wire/catalog"
import type { Edit, Json, JsonObject } from "../wire/flow"
import { type Alignment, alignEdits, type Layering, type Rect, tidyEdits } from "./arrange"
import { AutoLayout } from "./auto-layout"
import { pasteEdits, serializeSelection } from "./clipboard"
import { defaultParams, modelChangeEdits } from "./default-model"
import type { DerivedState } from "./derived"
import { edgeKey, type FlowEdge } from "./document"
import type { Field } from "./form"
import { estimatePrice } from "./format"
import { newNodeId } from "./node-ids"
import { findNote, frameAround, groupMembers, isNoteId, type Note, noteEdits, notesOf, withMembers } from "./notes"
import { compatiblePorts, connectionError, replacedEdge } from "./ports"
import type { Session } from "./session"
import type { LooseEnd, Point } from "./store"

export class Editing {
  readonly #autoLayout: AutoLayout

  constructor(
    readonly session: Session,
    readonly derived: DerivedState,
    private readonly chance: () => number = Math.random,
  ) {
    this.#autoLayout = new AutoLayout(session)
  }

  private get state() {
    return this.session.store.getState()
  }

  private get document() {
    return this.state.shared.document
  }

  /** Adds a node of this type and connects it to the loose edge, if any. Returns the node's id. */
  place(type: NodeType, at: Point, loose: LooseEnd | null = null, params: JsonObject = {}): string | null {
    const id = newNodeId(this.document, type.name)
    const edits: Edit[] = [
      {
        kind: "add_node",
        node: {
          id,
          type: type.name,
          params: { ...defaultParams(type, loose, this.state.models, this.drawSeed), ...params },
        },
        layout: { x: Math.round(at.x), y: Math.round(at.y) },
      },
    ]
    const port = loose && compatiblePorts(type, loose)[0]
    if (loose && port) {
      const edge: FlowEdge =
        loose.side === "source"
          ? { source: loose.nodeId, sourceHandle: loose.port, target: id, targetHandle: port }
          : { source: id, sourceHandle: port, target: loose.nodeId, targetHandle: loose.port }
      const old = loose.side === "target" && replacedEdge(this.document, this.state.catalog, edge)
      if (old) edits.push({ kind: "remove_edge", edge: old })
      edits.push({ kind: "add_edge", edge })
    }
    if (!this.session.edit(edits)) return null
    this.select([id])
    return id
  }

  drawSeed = (): number => Math.floor(this.chance() * 2 ** 31)

  /** Adds an edge and replaces the edge in the same input port. Notifies the user if the connection is invalid. */
  connect(edge: FlowEdge): boolean {
    const why = connectionError(this.document, this.state.catalog, edge)
    if (why) {
      this.session.notify(why, "bad")
      return false
    }
    const old = replacedEdge(this.document, this.state.catalog, edge)
    return this.session.edit([
      ...(old ? [{ kind: "remove_edge" as const, edge: old }] : []),
      { kind: "add_edge", edge },
      ...modelChangeEdits(this.state, edge),
    ])
  }

  /** Sets a field. `null` removes a parameter. */
  set(nodeId: string, field: Field, value: Json): void {
    const node = this.document.nodes.get(nodeId)
    if (!node) return
    const gesture = `${nodeId}.${field.name}`
    if (field.isSetting) {
      const settings = { ...(node.params.settings as JsonObject | undefined), [field.name]: value }
      this.session.edit([{ kind: "set_param", node_id: nodeId, name: "settings", value: settings }], gesture)
    } else if (value === null) {
      if (node.params[field.name] !== undefined) {
        this.session.edit([{ kind: "set_param", node_id: nodeId, name: field.name, is_unset: true }], gesture)
      }
    } else {
      this.session.edit([{ kind: "set_param", node_id: nodeId, name: field.name, value }], gesture)
    }
  }

  select(ids: Iterable<string>): void {
    this.session.store.setState({ selection: new Set(ids), edgeSelection: new Set() })
  }

  selectAll(): void {
    const notes = (["group", "comment"] as const).flatMap((kind) => notesOf(this.document, kind).map(({ id }) => id))
    this.select([...this.document.nodes.keys(), ...notes])
  }

  /** The selected nodes and the members of selected groups. */
  selectedNodes(): string[] {
    const { selection } = this.state
    const groups = [...selection]
      .flatMap((id) => findNote(this.document, id) ?? [])
      .filter((note) => note.kind === "group")
    const inside = groups.length > 0 ? groups.flatMap((group) => this.membersOf(group)) : []
    return [...new Set([...selection, ...inside])].filter((id) => this.document.nodes.has(id))
  }

  membersOf = (group: Rect): string[] => groupMembers(group, this.allRects())

  /** Changes a group or comment. Changes with the same `gesture` form one undo step. */
  setNote(id: string, change: Partial<Note>, gesture?: string): void {
    this.session.edit(noteEdits(this.document, new Map([[id, change]])), gesture)
  }

  /** Removes the selected nodes and edges as one undo step. */
  removeSelected(): void {
    const { selection, edgeSelection } = this.state
    const edges = this.document.edges.filter(
      (edge) => edgeSelection.has(edgeKey(edge)) && !selection.has(edge.source) && !selection.has(edge.target),
    )
    const edits: Edit[] = edges.map((edge) => ({ kind: "remove_edge", edge }))
    for (const id of selection) if (this.document.nodes.has(id)) edits.push({ kind: "remove_node", node_id: id })
    edits.push(...noteEdits(this.document, new Map([...selection].filter(isNoteId).map((id) => [id, null]))))
    if (this.session.edit(edits)) this.select([])
  }

  copy(): string | null {
    const { selection } = this.state
    if (selection.size === 0) return null
    return serializeSelection(this.document, new Set([...selection, ...this.selectedNodes()]))
  }

  /** Pastes nodes at a position. Returns false if the text is not a copy of nodes. */
  paste(text: string, at: Point): boolean {
    const pasted = pasteEdits(this.document, text, { at })
    if (!pasted) return false
    if (this.session.edit(pasted.edits)) this.select(pasted.ids)
    return true
  }

  duplicate(): void {
    const text = this.copy()
    const pasted = text && pasteEdits(this.document, text, { x: 32, y: 32 })
    if (pasted && this.session.edit(pasted.edits)) this.select(pasted.ids)
  }

  /** Mutes the given nodes, or unmutes them if all are muted. */
  toggleMuted(ids: Iterable<string> = this.selectedNodes()): void {
    const nodes = [...ids].flatMap((id) => this.document.nodes.get(id) ?? [])
    const value = nodes.some((node) => !node.isMuted)
    this.session.edit(nodes.map((node) => ({ kind: "set_node", node_id: node.id, field: "is_muted", value })))
  }

  /** Locks the results of the selected nodes, or unlocks them if all are locked. */
  toggleLocked(ids: Iterable<string> = this.selectedNodes()): void {
    const nodes = [...ids].flatMap((id) => this.document.nodes.get(id) ?? [])
    const isLocking = nodes.some((node) => !node.locked)
    const edits = nodes.flatMap((node): Edit[] => {
      const generation = this.#onlyGeneration(node.id)
      if (isLocking && (node.locked || !generation)) return []
      return [{ kind: "set_node", node_id: node.id, field: "locked", value: isLocking ? generation : null }]
    })
    if (edits.length > 0) this.session.edit(edits)
    else if (nodes.some((node) => (this.state.runs.results.get(node.id)?.length ?? 0) > 1))
      this.session.notify("Cannot lock a batch: pick one of its cells and lock that.")
    else this.session.notify("There is no result to lock yet.")
  }

  /** The generation of a node with a single result; null for a batch, which cannot be locked. */
  #onlyGeneration(nodeId: string): string | null {
    const [result, ...others] = this.state.runs.results.get(nodeId) ?? []
    const isSingle = result !== undefined && others.length === 0 && result.coordinate.length === 0
    return isSingle ? (result.generation_id ?? null) : null
  }

  setVariable(name: string, value: Json): void {
    this.session.edit([{ kind: "set_variable", name, value }], `variable.${name}`)
  }

  setWidth(nodeId: string, width: number): void {
    this.session.edit([{ kind: "set_layout", node_id: nodeId, fields: { width: Math.round(width) } }])
  }

  setSeedLocked(nodeId: string, isLocked: boolean): void {
    this.session.edit([{ kind: "set_layout", node_id: nodeId, fields: { is_seed_locked: isLocked || null } }])
  }

  rename(nodeId: string, title: string): void {
    const clean = title.trim()
    if (isNoteId(nodeId)) this.setNote(nodeId, { text: clean })
    else this.session.edit([{ kind: "set_layout", node_id: nodeId, fields: { title: clean === "" ? null : clean } }])
  }

  align(how: Alignment): void {
    const { selection } = this.state
    const edits = alignEdits(
      this.allRects().filter((rect) => selection.has(rect.id)),
      how,
    )
    const places = edits.flatMap((edit) => {
      if (edit.kind !== "set_layout") return []
      return [[edit.node_id, { x: edit.fields?.x ?? 0, y: edit.fields?.y ?? 0 }] as const]
    })
    if (places.length > 0) this.move(new Map(places))
  }

  /** Lays out the selected nodes, or all nodes. */
  async tidy(): Promise<void> {
    const layering = await this.#autoLayout.load()
    if (layering) this.#tidy(layering)
  }

  #tidy(layering: Layering): void {
    const selected = this.selectedNodes()
    const rects = this.rects(selected.length > 1 ? selected : this.document.nodes.keys())
    const groups = notesOf(this.document, "group").map((group) => ({ group, members: groupMembers(group, rects) }))
    const edits = tidyEdits(
      layering,
      this.document,
      rects,
      groups.map(({ members }) => members),
    )
    const moved = new Map(edits.flatMap((edit) => (edit.kind === "set_layout" ? [[edit.node_id, edit.fields]] : [])))
    const frames = groups.flatMap(({ group, members }) => {
      const inside = rects.filter((rect) => members.includes(rect.id))
      const frame = frameAround(inside.map((rect) => ({ ...rect, ...(moved.get(rect.id) as Point | undefined) })))
      return frame ? [[group.id, frame] as const] : []
    })
    this.session.edit([...edits, ...noteEdits(this.document, new Map(frames))])
  }

  /** Moves nodes. Fixes the position of all auto-placed nodes too, so that they stay where they are drawn. */
  move(places: ReadonlyMap<string, Point>, gesture?: string): void {
    const moved = this.withMembers(places)
    const all = new Map([...this.derived.autoPositions(this.state), ...moved])
    const notes = noteEdits(this.document, new Map([...moved].filter(([id]) => isNoteId(id))))
    const edits = [...all].flatMap(([id, { x, y }]): Edit[] => {
      const look = this.document.looks.get(id)
      if (!this.document.nodes.has(id) || (look?.x === x && look.y === y)) return []
      return [{ kind: "set_layout", node_id: id, fields: { x, y } }]
    })
    this.session.edit([...edits, ...notes], gesture)
  }

  /** Adds the members of moved groups. */
  withMembers(places: ReadonlyMap<string, Point>): ReadonlyMap<string, Point> {
    const hasGroup = [...places.keys()].some((id) => id.startsWith("group/"))
    return hasGroup ? withMembers(this.document, this.allRects(), places) : places
  }

  /** The nearest position at or below `at` that no node covers. */
  freePlace(at: Point): Point {
    const rects = this.rects(this.document.nodes.keys())
    const spot = { ...at }
    const isOverlapping = (rect: Rect) =>
      spot.x < rect.x + rect.width && spot.x + 260 > rect.x && spot.y < rect.y + rect.height && spot.y + 120 > rect.y
    for (let blocker = rects.find(isOverlapping); blocker; blocker = rects.find(isOverlapping))
      spot.y = blocker.y + blocker.height + 40
    return spot
  }

  /** Bounds of nodes, groups and comments. */
  allRects(): Rect[] {
    const notes = (["group", "comment"] as const).flatMap((kind) => notesOf(this.document, kind))
    return [...this.rects(this.document.nodes.keys()), ...notes]
  }

  /** Positions and sizes of nodes. */
  rects(ids: Iterable<string>): Rect[] {
    const layouts = this.derived.layouts(this.state)
    const autoPositions = this.derived.autoPositions(this.state)
    return [...ids].flatMap((id) => {
      const box = layouts.get(id)
      const at = this.document.looks.get(id) ?? autoPositions.get(id)
      return box ? [{ id, x: at?.x ?? 0, y: at?.y ?? 0, width: box.width, height: box.height }] : []
    })
  }

  /** Runs the targets and their upstream nodes; null runs every node that is not fresh. */
  run(targets: string[] | null): void {
    const { plan, shared } = this.state
    const { nodes } = estimatePrice(this.document, plan, targets)
    // An outdated plan cannot show that there is nothing to run: let the kernel decide.
    const isPlanned = plan.rev >= shared.rev && shared.pending.length === 0
    if (nodes.length === 0 && isPlanned) this.session.notify("Everything is fresh: nothing to run.")
    else this.session.run(targets ?? [], nodes)
  }

  /** Runs a new take of these nodes, with a new seed where it is not locked. The edits are one undo step. */
  runAgain(ids: string[]): void {
    const edits = ids.flatMap((id): Edit[] => {
      const node = this.document.nodes.get(id)
      if (!node) return []
      const take: Edit = { kind: "set_node", node_id: id, field: "take", value: node.take + 1 }
      const isFree = typeof node.params.seed === "number" && this.document.looks.get(id)?.is_seed_locked !== true
      return isFree ? [take, { kind: "set_param", node_id: id, name: "seed", value: this.drawSeed() }] : [take]
    })
    if (this.session.edit(edits)) this.session.run(ids, ids)
  }

  cancel(nodeId?: string, branch = false): void {
    this.session.send({ type: "cancel", ...(nodeId && { node_id: nodeId, branch }) })
  }

  undo(): void {
    this.session.send({ type: "undo", client_id: this.session.clientId })
  }

  redo(): void {
    this.session.send({ type: "redo", client_id: this.session.clientId })
  }
}
