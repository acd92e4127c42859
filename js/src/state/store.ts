/** Everything a view knows, in one store; who changes it stands in `session.ts`, who draws it selects narrowly. */

import { createStore, type StoreApi } from "zustand/vanilla"
import type { Model, Template } from "../wire/catalog"
import type { BytesFacts, FileFacts, History } from "../wire/messages"
import type { Budget, ErrorFacts, Plan, Tape } from "../wire/run"
import type { Layering } from "./arrange"
import type { Guide } from "./guides"
import { emptySharedDocument, type SharedDocument } from "./pending"
import type { Catalog } from "./ports"
import { emptyRuns, type Runs } from "./runs"
import type { LooseEdge } from "./search"
import type { Uploads } from "./uploads"
import type { ResultRef, ViewerState } from "./viewer-state"

export interface Point {
  x: number
  y: number
}

/** The panel that is open over the canvas; one at a time. */
export type Panel =
  | { kind: "palette"; at: Point; loose: LooseEnd | null }
  | { kind: "find" }
  | { kind: "connect"; nodeId: string }
  | { kind: "keys" }
  | { kind: "menu"; at: Point; nodeId: string | null }
  /** The painter of what a mask port takes. */
  | { kind: "mask"; nodeId: string; port: string }
  | { kind: "run" }
  | { kind: "file" }
  /** A run that the kernel will not begin unasked. */
  | { kind: "confirm"; targets: string[]; nodes: string[]; why: ErrorFacts }
  /** Source to take into the notebook. */
  | { kind: "source"; title: string; text: string; source: string }

/** An edge that was dropped on empty space: the port it is held by. */
export interface LooseEnd extends LooseEdge {
  nodeId: string
  port: string
}

export interface Notice {
  text: string
  tone: "plain" | "bad"
}

export interface CanvasState {
  /** Whether the first snapshot has come. */
  isReady: boolean
  /** Whether the kernel has stopped answering: the picture stays, a banner says what to do. */
  isDisconnected: boolean
  shared: SharedDocument
  catalog: Catalog
  models: ReadonlyMap<string, Model>
  templates: readonly Template[]
  plan: Plan
  runs: Runs
  tape: Tape
  budgets: readonly Budget[]
  history: History
  file: FileFacts
  /** How to ask the Jupyter server for bytes; null: not known yet. */
  bytes: BytesFacts | null

  /** How nodes are laid out in layers; null: not asked for yet, `missing`: it could not be had. */
  layering: Layering | "missing" | null

  // What only this view knows.
  selection: ReadonlySet<string>
  edgeSelection: ReadonlySet<string>
  /** Where nodes are while they are dragged. */
  dragged: ReadonlyMap<string, Point>
  /** What it lines up with there. */
  guides: readonly Guide[]
  panel: Panel | null
  renaming: string | null
  /** A node that is to be brought into view. */
  focusTarget: string | null
  notice: Notice | null
  /** Files on their way into the store. */
  uploads: Uploads
  /** Where a file that is held over the canvas would go; null: none is. */
  dropTarget: { nodeId: string | null; port: string | null } | null
  /** What is looked at over the whole canvas; null: nothing. */
  viewing: ViewerState | null
  /** Results that were chosen to be compared, in that order. */
  marked: readonly ResultRef[]
  isTapeOpen: boolean
  isInspectorOpen: boolean
  isMapOpen: boolean
}

export type CanvasStore = StoreApi<CanvasState>

export const createCanvasStore = (): CanvasStore =>
  createStore<CanvasState>(() => ({
    isReady: false,
    isDisconnected: false,
    shared: emptySharedDocument,
    catalog: new Map(),
    models: new Map(),
    templates: [],
    plan: { rev: -1, nodes: {}, unpriced: [] },
    runs: emptyRuns,
    tape: { frames: [], generations: 0, cost_micro_usd: 0 },
    budgets: [],
    history: { can_undo: false, can_redo: false },
    file: { path: null, saved_at_us: null, is_conflicting: false },
    bytes: null,
    layering: null,
    selection: new Set(),
    edgeSelection: new Set(),
    dragged: new Map(),
    guides: [],
    panel: null,
    renaming: null,
    focusTarget: null,
    notice: null,
    uploads: new Map(),
    dropTarget: null,
    viewing: null,
    marked: [],
    isTapeOpen: true,
    isInspectorOpen: false,
    isMapOpen: true,
  }))
