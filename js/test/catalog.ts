/** The kernel's own catalog, as `scripts/make_fixtures.py` wrote it. */

import written from "../dev/catalog.json"
import type { Model, NodeType } from "../src/wire/catalog"

export const catalog = new Map((written.node_types as unknown as NodeType[]).map((one) => [one.name, one]))
export const models = new Map((written.models as unknown as Model[]).map((one) => [one.id, one]))
