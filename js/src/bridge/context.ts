/** React context of a canvas: gives components access to the store and commands. */

import type { ReactFlowInstance } from "@xyflow/react"
import { createContext, useContext } from "react"
import { useStore } from "zustand"
import { type CardData, DerivedState } from "../state/derived"
import { Editing } from "../state/editing"
import { Session } from "../state/session"
import type { CanvasState, CanvasStore } from "../state/store"
import { ViewerCommands } from "../state/viewer-commands"
import type { Channel } from "../wire/messages"
import { MediaBytes } from "./bytes"
import { Uploader } from "./uploader"

export interface Bridge {
  session: Session
  store: CanvasStore
  derived: DerivedState
  editing: Editing
  viewer: ViewerCommands
  /** Resolves the bytes of results. */
  bytes: MediaBytes
  /** Uploads the user's files. */
  uploader: Uploader
  /** Root element of the canvas; the viewer and other overlays render into it. */
  root: { current: HTMLElement | null }
  /** The React Flow instance: viewport and coordinates. */
  flow: { current: ReactFlowInstance | null }
}

export function createBridge(channel: Channel): Bridge {
  const session = new Session(channel)
  const derived = new DerivedState()
  const editing = new Editing(session, derived)
  const bytes = new MediaBytes(session)
  return {
    session,
    store: session.store,
    derived,
    editing,
    viewer: new ViewerCommands(session, derived),
    bytes,
    uploader: new Uploader(session, editing, bytes),
    root: { current: null },
    flow: { current: null },
  }
}

/** Closes everything that `createBridge` opened. */
export function closeBridge({ session, bytes, uploader }: Bridge): void {
  uploader.close()
  bytes.close()
  session.close()
}

export const BridgeContext = createContext<Bridge | null>(null)

export function useBridge(): Bridge {
  const bridge = useContext(BridgeContext)
  if (!bridge) throw new Error("useBridge must be used inside a BridgeContext provider.")
  return bridge
}

/** Selects a part of the state; the component re-renders only when that part changes. */
export function useCanvas<T>(selector: (state: CanvasState) => T): T {
  return useStore(useBridge().store, selector)
}

/** All data of one node's card; null if the node does not exist. */
export function useCard(id: string): CardData | null {
  const { store, derived } = useBridge()
  return useStore(store, (state) => derived.card(state, id))
}
