import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { textDiff } from "../src/state/card"

describe("what changed, in a line", () => {
  it("shows only the words that differ", () => {
    expect(textDiff("neon city at midnight, stars", "neon city at dawn, stars")).toEqual(["… midnight, …", "… dawn, …"])
    expect(textDiff("dawn", "dusk")).toEqual(["dawn", "dusk"])
    expect(textDiff("a city", "a city at night")).toEqual(["… city", "… city at night"])
    expect(textDiff(3, 5)).toEqual(["3", "5"])
  })

  it("never says the same of texts that differ in their words", () => {
    const words = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 6 }).map((all) => all.join(" "))
    fc.assert(
      fc.property(words, words, (old, now) => {
        fc.pre(old !== now)
        const [before, after] = textDiff(old, now)
        expect(before).not.toBe(after)
      }),
    )
  })
})
