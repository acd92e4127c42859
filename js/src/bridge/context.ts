/** How components reach the state: one context per canvas, narrow selectors, nothing global. */

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
  /** Where the bytes of results come from. */
  bytes: MediaBytes
  /** How files of a person's own come into the store. */
  uploader: Uploader
  /** The element that holds this canvas; panels that must not be cut by it are drawn here. */
  root: { current: HTMLElement | null }
  /** React Flow's own controls: viewport and coordinates. */
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

/** Leave nothing behind of a bridge. */
export function closeBridge({ session, bytes, uploader }: Bridge): void {
  uploader.close()
  bytes.close()
  session.close()
}

export const BridgeContext = createContext<Bridge | null>(null)

export function useBridge(): Bridge {
  const bridge = useContext(BridgeContext)
  if (!bridge) throw new Error("A part of the canvas stands outside of it.")
  return bridge
}

/** A part of the state; the component draws again only when that part changes. */
export function useCanvas<T>(selector: (state: CanvasState) => T): T {
  return useStore(useBridge().store, selector)
}

/** Everything about one node; null where it is gone. */
export function useCard(id: string): CardData | null {
  const { store, derived } = useBridge()
  return useStore(store, (state) => derived.card(state, id))
}
