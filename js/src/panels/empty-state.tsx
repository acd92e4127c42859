/** Empty state of the canvas: first steps, and templates that run without an API key. */

import { useBridge, useCanvas } from "../bridge/context"
import { fromWire, nodeTo } from "../state/document"
import { flowThumbnail } from "../state/flow-thumbnail"
import type { Point } from "../state/store"
import type { Template } from "../wire/catalog"
import type { Edit, WireGraph } from "../wire/flow"

export function EmptyState({ viewCenter }: { viewCenter: () => Point }) {
  const { store, session } = useBridge()
  const templates = useCanvas((state) => state.templates)
  const openTemplate = ({ graph, title, cell }: Template) => {
    if (!session.edit(editsOf(graph as unknown as WireGraph, title)) || !cell) return
    const text =
      "The node runs as is. To change the function, paste this into a cell and edit it: existing nodes update."
    store.setState({ panel: { kind: "source", title: "Function of this node", text, source: cell } })
  }
  return (
    <section className="ff-start" aria-label="Getting started">
      <h2>An empty canvas</h2>
      <p>
        Double-click or press <kbd>Tab</kbd> to add a node. Drag from a port to connect nodes, paste nodes from another
        notebook, or press <kbd>?</kbd> for keyboard shortcuts.
      </p>
      <p>Or start from a template. All of them run without an API key:</p>
      <div className="ff-templates">
        {templates.map((template) => (
          <button key={template.id} type="button" onClick={() => openTemplate(template)}>
            <Picture template={template} />
            <b>{template.title}</b>
            <span>{template.summary}</span>
          </button>
        ))}
      </div>
      <button
        type="button"
        className="ff-button"
        onClick={() => store.setState({ panel: { kind: "palette", at: viewCenter(), loose: null } })}
      >
        + Add node
      </button>
    </section>
  )
}

/** Thumbnail of the template's graph. */
function Picture({ template }: { template: Template }) {
  const catalog = useCanvas((state) => state.catalog)
  const { width, height, blocks, curves } = flowThumbnail(template.graph as unknown as WireGraph, catalog)
  return (
    <svg className="ff-sketch" viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {curves.map(({ key, path, type }) => (
        <path key={key} d={path} className={`ff-type-${type}`} />
      ))}
      {blocks.map(({ id, x, y, type, isMedia, ...size }) => (
        <g key={id} className={`ff-type-${type}`} transform={`translate(${x} ${y})`}>
          <rect {...size} rx="22" className="is-node" />
          <circle cx="32" cy="34" r="12" />
          <rect x="58" y="25" width="110" height="18" rx="9" className="is-line" />
          <rect
            x="18"
            y="64"
            width={size.width - 36}
            height={size.height - 82}
            rx="12"
            className={isMedia ? "is-media" : "is-well"}
          />
        </g>
      ))}
    </svg>
  )
}

/** Edits that insert a template as one undo step. */
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
