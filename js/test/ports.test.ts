import { describe, expect, it } from "vitest"
import { type Document, fromWire } from "../src/state/document"
import { compatiblePorts, connectionError, replacedEdge } from "../src/state/ports"
import { searchNodeTypes } from "../src/state/search"
import type { WireEdge, WireNode } from "../src/wire/flow"
import { catalog } from "./catalog"

const document = (nodes: Record<string, string>, edges: WireEdge[] = []): Document =>
  fromWire({
    id: "f",
    name: "f",
    variables: {},
    graph: {
      nodes: Object.entries(nodes).map(([id, type]): WireNode => ({ id, type, position: { x: 0, y: 0 }, data: {} })),
      edges,
      layout: {},
    },
  })

const edge = (source: string, sourceHandle: string, target: string, targetHandle: string): WireEdge => ({
  source,
  sourceHandle,
  target,
  targetHandle,
})

describe("a connection", () => {
  const nodes = { a: "text", b: "generate_image", c: "upscale", d: "upscale" }

  it("fits where the types do, and masks and pictures stand for each other", () => {
    expect(connectionError(document(nodes), catalog, edge("a", "text", "b", "prompt"))).toBeNull()
    const masks = { m: "mask_shape", u: "upscale" }
    expect(connectionError(document(masks), catalog, edge("m", "mask", "u", "image"))).toBeNull()
  })

  it("is refused with the reason: types, circles, doubles, itself", () => {
    expect(connectionError(document(nodes), catalog, edge("a", "text", "c", "image"))).toBe(
      "image takes image, this gives text.",
    )
    const joined = document(nodes, [edge("c", "image", "d", "image")])
    expect(connectionError(joined, catalog, edge("d", "image", "c", "image"))).toBe("That would close a circle.")
    expect(connectionError(joined, catalog, edge("c", "image", "d", "image"))).toBe("They are connected already.")
    expect(connectionError(joined, catalog, edge("c", "image", "c", "image"))).toBe("A node cannot feed itself.")
  })

  it("takes the place of the one a single port holds, and stands beside the others of a collecting one", () => {
    const known = edge("c", "image", "d", "image")
    expect(replacedEdge(document(nodes, [known]), catalog, edge("b", "image", "d", "image"))).toEqual(known)
    const sheet = { ...nodes, s: "contact_sheet" }
    const held = document(sheet, [edge("c", "image", "s", "images")])
    expect(replacedEdge(held, catalog, edge("b", "image", "s", "images"))).toBeNull()
  })
})

describe("a loose edge", () => {
  it("is offered only node types with a port that takes it, the needed port first", () => {
    const found = searchNodeTypes(catalog.values(), "", { type: "video", side: "source" })
    expect(found.map((one) => one.type.name)).toContain("trim")
    expect(found.map((one) => one.type.name)).not.toContain("upscale")
    const upscale = catalog.get("edit_image")
    expect(upscale && compatiblePorts(upscale, { type: "image", side: "source" })[0]).toBe("image")
  })

  it("held by an input is offered what gives its type", () => {
    const found = searchNodeTypes(catalog.values(), "", { type: "mask", side: "target" })
    expect(found.every((one) => one.type.outputs.some((port) => ["mask", "image"].includes(port.type)))).toBe(true)
  })

  it("is searched by a few letters, titles before descriptions", () => {
    expect(searchNodeTypes(catalog.values(), "upsc", null)[0]?.type.name).toBe("upscale")
    expect(searchNodeTypes(catalog.values(), "genim", null)[0]?.type.name).toBe("generate_image")
    expect(searchNodeTypes(catalog.values(), "text", null)[0]?.type.name).toBe("text")
  })
})
