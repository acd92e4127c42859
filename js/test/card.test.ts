import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { textDiff } from "../src/state/card"

describe("a text diff", () => {
  it("shows only the words that differ", () => {
    expect(textDiff("neon city at midnight, stars", "neon city at dawn, stars")).toEqual(["… midnight, …", "… dawn, …"])
    expect(textDiff("dawn", "dusk")).toEqual(["dawn", "dusk"])
    expect(textDiff("a city", "a city at night")).toEqual(["… city", "… city at night"])
    expect(textDiff(3, 5)).toEqual(["3", "5"])
  })

  it("never shows equal parts for different texts", () => {
    const words = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 6 }).map((letters) => letters.join(" "))
    fc.assert(
      fc.property(words, words, (old, current) => {
        fc.pre(old !== current)
        const [before, after] = textDiff(old, current)
        expect(before).not.toBe(after)
      }),
    )
  })
})
