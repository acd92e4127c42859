/** The browser's own copy, cut and paste, so that no permission is asked and other pages can be pasted from. */

import { useReactFlow } from "@xyflow/react"
import { useEffect } from "react"
import { type Bridge, useBridge } from "../bridge/context"
import { fileKindOf } from "../state/files"
import { uploadFiles } from "./file-drop"
import { isTyping, viewportCenter } from "./key-bindings"

export function useClipboard(): void {
  const bridge = useBridge()
  const flow = useReactFlow()
  useEffect(() => {
    const { root, editing } = bridge
    const isOurs = (event: ClipboardEvent) =>
      !isTyping(event.target) &&
      root.current?.contains(document.activeElement) === true &&
      String(getSelection()) === ""
    const copy = (event: ClipboardEvent) => {
      const text = isOurs(event) ? editing.copy() : null
      if (text === null) return
      event.clipboardData?.setData("text/plain", text)
      event.preventDefault()
      event.stopPropagation()
      if (event.type === "cut") editing.removeSelected()
    }
    const paste = (event: ClipboardEvent) => {
      if (!isOurs(event)) return
      const files = [...(event.clipboardData?.files ?? [])]
      if (files.length > 0) {
        event.preventDefault()
        event.stopPropagation()
        const [selected, ...others] = bridge.store.getState().selection
        const nodeId = others.length === 0 ? (selected ?? null) : null
        const isInto = nodeId !== null && fileKindOf(typeOf(bridge, nodeId)) !== null
        uploadFiles(bridge, files, viewportCenter(bridge, flow), { nodeId: isInto ? nodeId : null, port: null })
        return
      }
      const text = event.clipboardData?.getData("text/plain") ?? ""
      const at = viewportCenter(bridge, flow)
      if (!editing.paste(text, { x: Math.round(at.x), y: Math.round(at.y) })) return
      event.preventDefault()
      event.stopPropagation()
    }
    document.addEventListener("copy", copy)
    document.addEventListener("cut", copy)
    document.addEventListener("paste", paste)
    return () => {
      document.removeEventListener("copy", copy)
      document.removeEventListener("cut", copy)
      document.removeEventListener("paste", paste)
    }
  }, [bridge, flow])
}

function typeOf({ store }: Bridge, nodeId: string) {
  const { shared, catalog } = store.getState()
  return catalog.get(shared.document.nodes.get(nodeId)?.type ?? "")
}
