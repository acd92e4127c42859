/** Edge, colored by port type; dashed if its source or target is not fresh. */

import { BaseEdge, type EdgeProps, getBezierPath } from "@xyflow/react"
import { memo } from "react"
import { useCanvas } from "../bridge/context"
import { isRunning } from "../state/card"
import { outputOf } from "../state/ports"

export const FlowEdge = memo(function FlowEdge(props: EdgeProps) {
  const { source, sourceHandleId, target, selected } = props
  const type = useCanvas((state) => {
    const node = state.shared.document.nodes.get(source)
    return outputOf(node && state.catalog.get(node.type), sourceHandleId ?? "")?.type ?? "json"
  })
  const isFresh = useCanvas((state) => {
    const node = state.shared.document.nodes.get(source)
    const isValue = node !== undefined && state.catalog.get(node.type)?.kind === "structural"
    return isValue || (state.plan.nodes[source]?.state === "fresh" && state.plan.nodes[target]?.state === "fresh")
  })
  const isFlowing = useCanvas((state) =>
    isRunning({ run: state.runs.nodes.get(target), isRequested: state.runs.requested.has(target) }),
  )
  const [path] = getBezierPath({ ...props, curvature: 0.32 })
  const className = `ff-edge ff-type-${type}${isFresh ? "" : " is-dashed"}${isFlowing ? " is-flowing" : ""}${selected ? " is-selected" : ""}`
  return <BaseEdge id={props.id} path={path} className={className} interactionWidth={18} />
})
