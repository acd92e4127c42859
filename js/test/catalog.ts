/** The kernel's catalog, recorded by `scripts/make_fixtures.py`. */

import recorded from "../dev/catalog.json"
import type { Model, NodeType } from "../src/wire/catalog"

export const catalog = new Map((recorded.node_types as unknown as NodeType[]).map((type) => [type.name, type]))
export const models = new Map((recorded.models as unknown as Model[]).map((model) => [model.id, model]))
