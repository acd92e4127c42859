/** The empty canvas: how to begin, and flows that run without a key. */

import { useBridge, useCanvas } from "../bridge/context"
import { fromWire, nodeTo } from "../state/document"
import type { Point } from "../state/store"
import type { Template } from "../wire/catalog"
import type { Edit, WireGraph } from "../wire/flow"

export function Start({ middle }: { middle: () => Point }) {
  const { store, session } = useBridge()
  const templates = useCanvas((state) => state.templates)
  const open = ({ graph, title }: Template) => session.edit(editsOf(graph as unknown as WireGraph, title))
  return (
    <section className="ff-start" aria-label="How to begin">
      <h2>An empty canvas</h2>
      <p>
        Double click, or press <kbd>Tab</kbd>, to add a node. Drag from a port to connect. Or begin with one of these,
        which run without a key:
      </p>
      <div className="ff-templates">
        {templates.map((template) => (
          <button key={template.id} type="button" onClick={() => open(template)}>
            <b>{template.title}</b>
            <span>{template.summary}</span>
          </button>
        ))}
      </div>
      <button
        type="button"
        className="ff-button"
        onClick={() => store.setState({ panel: { kind: "palette", at: middle(), loose: null } })}
      >
        + Add a node
      </button>
    </section>
  )
}

/** A template as one step of edits, so that undo takes it away again. */
function editsOf(graph: WireGraph, name: string): Edit[] {
  const { nodes, looks, edges } = fromWire({ id: "", name, variables: {}, graph })
  return [
    { kind: "set_flow", field: "name", value: name },
    ...[...nodes.values()].map(
      (node): Edit => ({ kind: "add_node", node: nodeTo(node), layout: looks.get(node.id) ?? null }),
    ),
    ...edges.map((edge): Edit => ({ kind: "add_edge", edge })),
  ]
}
