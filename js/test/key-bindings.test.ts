import { expect, it } from "vitest"
import { KEY_BINDINGS } from "../src/canvas/key-bindings"

it("gives every key one thing to do", () => {
  const done = KEY_BINDINGS.filter((one) => one.run).map((one) => one.keys)
  expect(done.filter((keys, at) => done.indexOf(keys) !== at)).toEqual([])
})
