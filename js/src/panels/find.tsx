/** Find a node in the flow by title, id, type or text. */

import { useBridge, useCanvas } from "../bridge/context"
import { searchNodes } from "../state/search"
import { Combobox } from "./combobox"
import { Dialog } from "./dialog"

const MAX_OPTIONS = 60

export function FindPanel() {
  const { store, editing, derived } = useBridge()
  const document = useCanvas((state) => state.shared.document)
  const card = (id: string) => derived.card(store.getState(), id)
  const find = (query: string) =>
    searchNodes(document, query, (id) => card(id)?.title ?? id)
      .slice(0, MAX_OPTIONS)
      .map((id) => ({
        key: id,
        group: "",
        content: (
          <span className={`ff-offer ff-type-${card(id)?.facts.type?.outputs[0]?.type ?? "json"}`}>
            <i className="ff-dot" aria-hidden="true" />
            <b>{card(id)?.title ?? id}</b>
            <span className="ff-muted">{card(id)?.chips[0]?.text ?? ""}</span>
            <small className="ff-mono">{id}</small>
          </span>
        ),
      }))
  const choose = (id: string) => {
    editing.select([id])
    store.setState({ panel: null, focusTarget: id })
  }
  return (
    <Dialog label="Find node" className="ff-palette is-centered">
      <Combobox
        label="Nodes"
        placeholder="Find in this flow"
        emptyText="No matching nodes"
        find={find}
        onChoose={choose}
      />
    </Dialog>
  )
}
