/** How components reach the state: one context per canvas, narrow selectors, nothing global. */

import type { ReactFlowInstance } from "@xyflow/react"
import { createContext, useContext } from "react"
import { useStore } from "zustand"
import { type Card, Derived } from "../state/derived"
import { Editing } from "../state/editing"
import { Session } from "../state/session"
import type { CanvasState, CanvasStore } from "../state/store"
import type { Channel } from "../wire/messages"
import { Bytes } from "./bytes"

export interface Bridge {
  session: Session
  store: CanvasStore
  derived: Derived
  editing: Editing
  /** Where the bytes of results come from. */
  bytes: Bytes
  /** The element that holds this canvas; panels that must not be cut by it are drawn here. */
  root: { current: HTMLElement | null }
  /** React Flow's own controls: viewport and coordinates. */
  flow: { current: ReactFlowInstance | null }
}

export function makeBridge(channel: Channel): Bridge {
  const session = new Session(channel)
  const derived = new Derived()
  return {
    session,
    store: session.store,
    derived,
    editing: new Editing(session, derived),
    bytes: new Bytes(session),
    root: { current: null },
    flow: { current: null },
  }
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
export function useCard(id: string): Card | null {
  const { store, derived } = useBridge()
  return useStore(store, (state) => derived.card(state, id))
}
