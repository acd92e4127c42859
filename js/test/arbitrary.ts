/** Generators of random edits and run events for property tests. */

import fc from "fast-check"
import type { Edit } from "../src/wire/flow"
import type { JobState, RunEvent } from "../src/wire/run"

const id = fc.constantFrom("a", "b", "c", "d")
const value = fc.constantFrom<null | number | string>(1, "dawn", null, 0.5)
const edge = fc
  .record({ source: id, target: id })
  .map((ends) => ({ ...ends, sourceHandle: "image", targetHandle: "image" }))

export const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  id.map((nodeId): Edit => ({ kind: "add_node", node: { id: nodeId, type: "text" }, layout: { x: 1, y: 2 } })),
  id.map((node_id): Edit => ({ kind: "remove_node", node_id })),
  fc.record({ old: id, new: id }).map((names): Edit => ({ kind: "rename_node", ...names })),
  fc
    .record({ node_id: id, name: fc.constantFrom("p", "q"), value })
    .map((set): Edit => ({ kind: "set_param", ...set })),
  id.map((node_id): Edit => ({ kind: "set_param", node_id, name: "p", is_unset: true })),
  fc
    .record({ node_id: id, x: fc.integer({ min: 0, max: 99 }) })
    .map(({ node_id, x }): Edit => ({ kind: "set_layout", node_id, fields: { x } })),
  edge.map((added): Edit => ({ kind: "add_edge", edge: added })),
  edge.map((removed): Edit => ({ kind: "remove_edge", edge: removed })),
  value.map((content): Edit => ({ kind: "set_variable", name: "time", value: content })),
)

const states = fc.constantFrom<JobState>("queued", "waiting", "running", "succeeded", "failed", "cached")

export const anyEvent: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({
    kind: fc.constant("run-start" as const),
    run_id: fc.constantFrom("r1", "r2"),
    scope: fc.subarray(["a", "b", "c"]),
  }),
  fc.record({
    kind: fc.constantFrom("job-start" as const, "job-progress" as const),
    run_id: fc.constantFrom("r1", "r2"),
    node_id: id,
    coordinate: fc.constantFrom<[string, string][]>([], [["seed", "7"]], [["seed", "21"]]),
    state: states,
    progress: fc.constantFrom(null, 0.2, 0.9),
  }),
  fc.record({ run_id: fc.constantFrom("r1", "r2"), node_id: id, state: states }).map(
    (end): RunEvent => ({
      ...end,
      kind: "job-end",
      coordinate: [],
      result: { coordinate: [], state: end.state, cells: [] },
    }),
  ),
  fc.constantFrom("r1", "r2").map((run_id): RunEvent => ({ kind: "run-end", run_id, state: "succeeded" })),
)
