/** While a file is dragged over the canvas: highlights the drop target and describes the effect of a drop. */

import { useEffect } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { fileKindOf } from "../state/files"
import { humanize } from "../state/form"

export function DropHint() {
  const { root, store, derived } = useBridge()
  const dropTarget = useCanvas((state) => state.dropTarget)
  const nodeId = dropTarget?.nodeId ?? null
  useEffect(() => {
    const element = nodeId === null ? null : root.current?.querySelector(`[data-id="${CSS.escape(nodeId)}"] .ff-card`)
    element?.classList.add("is-drop-target")
    return () => element?.classList.remove("is-drop-target")
  }, [root, nodeId])
  if (!dropTarget) return null
  const card = nodeId === null ? null : derived.card(store.getState(), nodeId)
  return (
    <p className="ff-drop-hint" role="status">
      {!card
        ? "Drop to add a file node"
        : dropTarget.port !== null
          ? `Drop to connect to ${humanize(dropTarget.port)} of ${card.title}`
          : fileKindOf(card.facts.type) !== null
            ? `Drop to replace the file of ${card.title}`
            : `Drop to use in ${card.title}`}
    </p>
  )
}
