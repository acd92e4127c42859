import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { applyEdit } from "../src/state/apply"
import { type Document, fromWire, toWire } from "../src/state/document"
import { EditError } from "../src/state/json-values"
import type { Edit, JsonObject, WireGraph } from "../src/wire/flow"

interface Step {
  edit: Edit
  inverse?: Edit
  is_refused?: boolean
  graph: WireGraph
  variables: JsonObject
  name: string
}

const walks: { id: string; walk: Step[] }[] = JSON.parse(
  readFileSync(new URL("./fixtures/edits.json", import.meta.url), "utf8"),
)

const empty = (id: string): Document =>
  fromWire({ id, name: "Untitled", variables: {}, graph: { nodes: [], edges: [], layout: {} } })

describe("edits recorded from the kernel", () => {
  for (const { id, walk } of walks) {
    it(`give the same document, refusals and inverses: ${id}`, () => {
      let document = empty(id)
      for (const step of walk) {
        const before = toWire(document)
        if (step.is_refused) {
          expect(() => applyEdit(document, step.edit), JSON.stringify(step.edit)).toThrow(EditError)
          expect(toWire(document)).toEqual(before)
          continue
        }
        const result = applyEdit(document, step.edit)
        const after = toWire(result.document)
        expect(after.graph, JSON.stringify(step.edit)).toEqual(step.graph)
        expect([after.variables, after.name]).toEqual([step.variables, step.name])
        // Key order is part of the contract, and toEqual ignores it.
        expect(JSON.stringify(after.graph.nodes)).toBe(JSON.stringify(toWire(fromWire(after)).graph.nodes))
        expect(after.graph.nodes.map((node) => Object.keys(node.data.params ?? {}))).toEqual(
          step.graph.nodes.map((node) => Object.keys(node.data.params ?? {})),
        )
        for (const inverse of [result.inverse, step.inverse as Edit]) {
          expect(toWire(applyEdit(result.document, inverse).document)).toEqual(before)
        }
        document = result.document
      }
    })
  }
})
