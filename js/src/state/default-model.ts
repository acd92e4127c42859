/** Chooses a node's default model: the first that supports the task and has an API key. */

import type { Model, NodeType } from "../wire/catalog"
import type { Edit, JsonObject } from "../wire/flow"
import type { FlowEdge } from "./document"
import { taskOf } from "./form"
import { compatiblePorts } from "./ports"
import type { CanvasState, LooseEnd } from "./store"

type Models = ReadonlyMap<string, Model>

function modelFor(models: Models, task: string | null): Model | undefined {
  const capable = [...models.values()].filter((model) => task !== null && model.tasks.includes(task))
  return capable.find((model) => model.has_key) ?? capable[0]
}

/** Initial parameters of a new node: a model and a random seed. */
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

/** When a new input changes the task (image to video), switches to a model that supports the new task. */
export function modelChangeEdits({ shared, catalog, models }: CanvasState, edge: FlowEdge): Edit[] {
  const { nodes, edges } = shared.document
  const node = nodes.get(edge.target)
  const model = models.get(String(node?.params.model))
  if (!node || !model) return []
  const connected = edges.filter(({ target }) => target === edge.target).map(({ targetHandle }) => targetHandle)
  const task = taskOf(catalog.get(node.type), new Set([...connected, edge.targetHandle]))
  const next = task === null || model.tasks.includes(task) ? undefined : modelFor(models, task)
  return next ? [{ kind: "set_param", node_id: node.id, name: "model", value: next.id }] : []
}
