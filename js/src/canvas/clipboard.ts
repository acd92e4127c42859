/** Copy, cut and paste through the browser's clipboard events, which need no permission and work across pages. */

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
    const isForCanvas = (event: ClipboardEvent) =>
      !isTyping(event.target) &&
      root.current?.contains(document.activeElement) === true &&
      String(getSelection()) === ""
    const onCopy = (event: ClipboardEvent) => {
      const text = isForCanvas(event) ? editing.copy() : null
      if (text === null) return
      event.clipboardData?.setData("text/plain", text)
      event.preventDefault()
      event.stopPropagation()
      if (event.type === "cut") editing.removeSelected()
    }
    const onPaste = (event: ClipboardEvent) => {
      if (!isForCanvas(event)) return
      const files = [...(event.clipboardData?.files ?? [])]
      if (files.length > 0) {
        event.preventDefault()
        event.stopPropagation()
        const [selected, ...others] = bridge.store.getState().selection
        const nodeId = others.length === 0 ? (selected ?? null) : null
        const isFileNode = nodeId !== null && fileKindOf(typeOf(bridge, nodeId)) !== null
        uploadFiles(bridge, files, viewportCenter(bridge, flow), { nodeId: isFileNode ? nodeId : null, port: null })
        return
      }
      const text = event.clipboardData?.getData("text/plain") ?? ""
      const at = viewportCenter(bridge, flow)
      if (!editing.paste(text, { x: Math.round(at.x), y: Math.round(at.y) })) return
      event.preventDefault()
      event.stopPropagation()
    }
    document.addEventListener("copy", onCopy)
    document.addEventListener("cut", onCopy)
    document.addEventListener("paste", onPaste)
    return () => {
      document.removeEventListener("copy", onCopy)
      document.removeEventListener("cut", onCopy)
      document.removeEventListener("paste", onPaste)
    }
  }, [bridge, flow])
}

function typeOf({ store }: Bridge, nodeId: string) {
  const { shared, catalog } = store.getState()
  return catalog.get(shared.document.nodes.get(nodeId)?.type ?? "")
}
