/** Which model a node takes where nobody has chosen: the first that can do what is asked and has a key. */

import type { Model, NodeType } from "../wire/catalog"
import type { Edit, JsonObject } from "../wire/flow"
import type { FlowEdge } from "./document"
import { taskOf } from "./form"
import { compatiblePorts } from "./ports"
import type { CanvasState, LooseEnd } from "./store"

type Models = ReadonlyMap<string, Model>

function modelFor(models: Models, task: string | null): Model | undefined {
  const able = [...models.values()].filter((one) => task !== null && one.tasks.includes(task))
  return able.find((one) => one.has_key) ?? able[0]
}

/** What a new node begins with: its model, and a seed that is drawn once. */
export function defaultParams(
  type: NodeType,
  loose: LooseEnd | null,
  models: Models,
  drawSeed: () => number,
): JsonObject {
  const params: JsonObject = {}
  const model = modelFor(
    models,
    taskOf(type, new Set(loose?.side === "source" ? compatiblePorts(type, loose).slice(0, 1) : [])),
  )
  if (model) params.model = model.id
  const hasSeed = type.params_schema.properties?.seed !== undefined && (!model || "seed" in model.parameters)
  if (hasSeed && type.kind === "provider") params.seed = drawSeed()
  return params
}

/** An input may ask for another kind of model (a picture into a film): then one that can do it takes its place. */
export function modelChangeEdits({ shared, catalog, models }: CanvasState, edge: FlowEdge): Edit[] {
  const { nodes, edges } = shared.document
  const node = nodes.get(edge.target)
  const model = models.get(String(node?.params.model))
  if (!node || !model) return []
  const into = edges.filter((one) => one.target === edge.target).map((one) => one.targetHandle)
  const task = taskOf(catalog.get(node.type), new Set([...into, edge.targetHandle]))
  const next = task === null || model.tasks.includes(task) ? undefined : modelFor(models, task)
  return next ? [{ kind: "set_param", node_id: node.id, name: "model", value: next.id }] : []
}
