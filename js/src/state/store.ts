/** The store of a view. `session.ts` and commands write to it; components select from it. */

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

/** The open panel. Only one is open at a time. */
export type Panel =
  | { kind: "palette"; at: Point; loose: LooseEnd | null }
  | { kind: "find" }
  | { kind: "connect"; nodeId: string }
  | { kind: "keys" }
  | { kind: "menu"; at: Point; nodeId: string | null }
  /** Mask painter for a mask port. */
  | { kind: "mask"; nodeId: string; port: string }
  | { kind: "run" }
  | { kind: "file" }
  /** Asks to confirm a run that the kernel did not start. */
  | { kind: "confirm"; targets: string[]; nodes: string[]; why: ErrorFacts }
  /** Python source to insert into the notebook. */
  | { kind: "source"; title: string; text: string; source: string }

/** The connected end of an edge that was dropped on empty space. */
export interface LooseEnd extends LooseEdge {
  nodeId: string
  port: string
}

export interface Notice {
  text: string
  tone: "plain" | "bad"
}

export interface CanvasState {
  /** The first snapshot has arrived. */
  isReady: boolean
  /** The kernel does not respond. The canvas stays visible and a banner asks to reconnect. */
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
  /** How to request bytes from the Jupyter server; null until the first snapshot. */
  bytes: BytesFacts | null

  /** The layered layout; null until it is requested, `missing` if loading failed. */
  layering: Layering | "missing" | null

  // State of this view only.
  selection: ReadonlySet<string>
  edgeSelection: ReadonlySet<string>
  /** Positions of nodes during a drag. */
  dragged: ReadonlyMap<string, Point>
  /** Alignment guides of the drag. */
  guides: readonly Guide[]
  panel: Panel | null
  renaming: string | null
  /** Node to scroll into view. */
  focusTarget: string | null
  notice: Notice | null
  /** Uploads in progress. */
  uploads: Uploads
  /** Drop target of a file dragged over the canvas; null without a drag. */
  dropTarget: { nodeId: string | null; port: string | null } | null
  /** Content of the viewer; null if it is closed. */
  viewing: ViewerState | null
  /** Results marked for comparison, in marking order. */
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
