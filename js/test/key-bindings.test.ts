import { expect, it } from "vitest"
import { KEY_BINDINGS } from "../src/canvas/key-bindings"

it("every key has at most one command", () => {
  const keys = KEY_BINDINGS.filter((binding) => binding.run).map((binding) => binding.keys)
  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([])
})
