/** Connect a node by keyboard: a searchable list of its possible connections. */

import { useBridge } from "../bridge/context"
import type { FlowEdge } from "../state/document"
import { edgeKey } from "../state/document"
import { humanize } from "../state/form"
import { outputOf, possibleConnections } from "../state/ports"
import { fuzzyScore } from "../state/search"
import { Combobox } from "./combobox"
import { Dialog } from "./dialog"

const MAX_OPTIONS = 80

export function ConnectPanel({ nodeId }: { nodeId: string }) {
  const { store, editing, derived } = useBridge()
  const state = store.getState()
  const { document } = state.shared
  const titleOf = (id: string) => derived.card(state, id)?.title ?? id
  const typeOf = (edge: FlowEdge) => {
    const node = document.nodes.get(edge.source)
    return outputOf(node && state.catalog.get(node.type), edge.sourceHandle)?.type ?? "json"
  }
  const edges = new Map(possibleConnections(document, state.catalog, nodeId).map((edge) => [edgeKey(edge), edge]))
  const find = (query: string) =>
    [...edges]
      .map(([key, edge]) => {
        const isOut = edge.source === nodeId
        const otherId = isOut ? edge.target : edge.source
        const text = `${titleOf(otherId)} ${humanize(isOut ? edge.targetHandle : edge.sourceHandle)} ${otherId}`
        return { key, edge, isOut, otherId, rank: fuzzyScore(query, text) }
      })
      .filter((candidate) => candidate.rank > 0)
      .sort((a, b) => Number(b.isOut) - Number(a.isOut) || b.rank - a.rank)
      .slice(0, MAX_OPTIONS)
      .map(({ key, edge, isOut, otherId }) => ({
        key,
        group: isOut ? "To" : "From",
        content: (
          <span className={`ff-offer ff-type-${typeOf(edge)}`}>
            <i className="ff-dot" aria-hidden="true" />
            <b>{titleOf(otherId)}</b>
            <span className="ff-muted">{humanize(isOut ? edge.targetHandle : edge.sourceHandle)}</span>
            <small>
              {humanize(edge.sourceHandle)} → {humanize(edge.targetHandle)}
            </small>
          </span>
        ),
      }))
  const choose = (key: string) => {
    const edge = edges.get(key)
    store.setState({ panel: null })
    if (edge) editing.connect(edge)
  }
  return (
    <Dialog label={`Connect ${titleOf(nodeId)}`} className="ff-palette is-centered">
      <Combobox
        label="Connections"
        placeholder={`Connect ${titleOf(nodeId)} to…`}
        emptyText="No matching connections"
        find={find}
        onChoose={choose}
      />
    </Dialog>
  )
}
