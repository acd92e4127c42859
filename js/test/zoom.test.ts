import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { compareGrid, fitPicture, type PictureTransform, panBy, within, zoomAround } from "../src/state/zoom"

const side = fc.integer({ min: 16, max: 8000 })
const size = fc.record({ width: side, height: side })
const cell = fc.record({ width: fc.integer({ min: 100, max: 3000 }), height: fc.integer({ min: 100, max: 3000 }) })

describe("zooming", () => {
  it("shows the whole picture in the middle of its cell", () => {
    fc.assert(
      fc.property(size, cell, (picture, room) => {
        const { x, y, scale } = fitPicture(picture, room)
        expect(picture.width * scale).toBeLessThan(room.width)
        expect(picture.height * scale).toBeLessThan(room.height)
        expect(x * 2 + picture.width * scale).toBeCloseTo(room.width)
        expect(y * 2 + picture.height * scale).toBeCloseTo(room.height)
      }),
    )
  })

  it("keeps what is under the pointer there", () => {
    const picture = { width: 800, height: 600 }
    const room = { width: 1000, height: 700 }
    const before = fitPicture(picture, room)
    const at = { x: 420, y: 300 }
    const after = zoomAround(before, 2.5, at, picture, room)
    const under = (placed: PictureTransform) => [(at.x - placed.x) / placed.scale, (at.y - placed.y) / placed.scale]
    expect(after.scale).toBeCloseTo(before.scale * 2.5)
    under(after).forEach((value, index) => void expect(value).toBeCloseTo(under(before)[index] ?? Number.NaN))
  })

  it("never loses the picture, however far it is pulled", () => {
    const far = fc.integer({ min: -20_000, max: 20_000 })
    fc.assert(
      fc.property(
        size,
        cell,
        far,
        far,
        fc.double({ min: 0.1, max: 20, noNaN: true }),
        (picture, room, x, y, factor) => {
          const start = zoomAround(fitPicture(picture, room), factor, { x: 5, y: 5 }, picture, room)
          const { x: left, y: top, scale } = panBy(start, x, y, picture, room)
          expect(left + picture.width * scale).toBeGreaterThan(0)
          expect(top + picture.height * scale).toBeGreaterThan(0)
          expect(left).toBeLessThan(room.width)
          expect(top).toBeLessThan(room.height)
        },
      ),
    )
  })

  it("lays a picture of another shape into the frame of the first", () => {
    expect(within({ width: 100, height: 100 }, { width: 400, height: 200 })).toEqual({
      x: 100,
      y: 0,
      width: 200,
      height: 200,
    })
  })

  it("has a cell for every picture", () => {
    for (const count of [1, 2, 3, 4]) expect(compareGrid(count)[0] * compareGrid(count)[1]).toBe(count)
  })
})
