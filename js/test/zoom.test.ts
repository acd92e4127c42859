import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { compareGrid, fitPicture, type PictureTransform, panBy, within, zoomAround } from "../src/state/zoom"

const side = fc.integer({ min: 16, max: 8000 })
const size = fc.record({ width: side, height: side })
const cell = fc.record({ width: fc.integer({ min: 100, max: 3000 }), height: fc.integer({ min: 100, max: 3000 }) })

describe("zooming", () => {
  it("fits the whole image, centered in its cell", () => {
    fc.assert(
      fc.property(size, cell, (picture, available) => {
        const { x, y, scale } = fitPicture(picture, available)
        expect(picture.width * scale).toBeLessThan(available.width)
        expect(picture.height * scale).toBeLessThan(available.height)
        expect(x * 2 + picture.width * scale).toBeCloseTo(available.width)
        expect(y * 2 + picture.height * scale).toBeCloseTo(available.height)
      }),
    )
  })

  it("keeps the point under the pointer fixed", () => {
    const picture = { width: 800, height: 600 }
    const available = { width: 1000, height: 700 }
    const before = fitPicture(picture, available)
    const at = { x: 420, y: 300 }
    const after = zoomAround(before, 2.5, at, picture, available)
    const under = (placed: PictureTransform) => [(at.x - placed.x) / placed.scale, (at.y - placed.y) / placed.scale]
    expect(after.scale).toBeCloseTo(before.scale * 2.5)
    under(after).forEach((value, index) => void expect(value).toBeCloseTo(under(before)[index] ?? Number.NaN))
  })

  it("keeps a part of the image visible", () => {
    const far = fc.integer({ min: -20_000, max: 20_000 })
    fc.assert(
      fc.property(
        size,
        cell,
        far,
        far,
        fc.double({ min: 0.1, max: 20, noNaN: true }),
        (picture, available, x, y, factor) => {
          const start = zoomAround(fitPicture(picture, available), factor, { x: 5, y: 5 }, picture, available)
          const { x: left, y: top, scale } = panBy(start, x, y, picture, available)
          expect(left + picture.width * scale).toBeGreaterThan(0)
          expect(top + picture.height * scale).toBeGreaterThan(0)
          expect(left).toBeLessThan(available.width)
          expect(top).toBeLessThan(available.height)
        },
      ),
    )
  })

  it("fits an image of another shape into the first frame", () => {
    expect(within({ width: 100, height: 100 }, { width: 400, height: 200 })).toEqual({
      x: 100,
      y: 0,
      width: 200,
      height: 200,
    })
  })

  it("has a cell for every image", () => {
    for (const count of [1, 2, 3, 4]) expect(compareGrid(count)[0] * compareGrid(count)[1]).toBe(count)
  })
})
