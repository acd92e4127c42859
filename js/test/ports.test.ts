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

  it("fits compatible types; masks and images are compatible", () => {
    expect(connectionError(document(nodes), catalog, edge("a", "text", "b", "prompt"))).toBeNull()
    const masks = { m: "mask_shape", u: "upscale" }
    expect(connectionError(document(masks), catalog, edge("m", "mask", "u", "image"))).toBeNull()
  })

  it("is refused with a reason", () => {
    expect(connectionError(document(nodes), catalog, edge("a", "text", "c", "image"))).toBe(
      "image takes image, this is text.",
    )
    const joined = document(nodes, [edge("c", "image", "d", "image")])
    expect(connectionError(joined, catalog, edge("d", "image", "c", "image"))).toBe(
      "This connection would create a cycle.",
    )
    expect(connectionError(joined, catalog, edge("c", "image", "d", "image"))).toBe(
      "These ports are already connected.",
    )
    expect(connectionError(joined, catalog, edge("c", "image", "c", "image"))).toBe(
      "A node cannot be connected to itself.",
    )
  })

  it("replaces the edge of a single port only", () => {
    const existing = edge("c", "image", "d", "image")
    expect(replacedEdge(document(nodes, [existing]), catalog, edge("b", "image", "d", "image"))).toEqual(existing)
    const sheet = { ...nodes, s: "contact_sheet" }
    const collecting = document(sheet, [edge("c", "image", "s", "images")])
    expect(replacedEdge(collecting, catalog, edge("b", "image", "s", "images"))).toBeNull()
  })
})

describe("a loose edge", () => {
  it("offers node types with a compatible port", () => {
    const matches = searchNodeTypes(catalog.values(), "", { type: "video", side: "source" })
    expect(matches.map(({ type }) => type.name)).toContain("trim")
    expect(matches.map(({ type }) => type.name)).not.toContain("upscale")
    const upscale = catalog.get("edit_image")
    expect(upscale && compatiblePorts(upscale, { type: "image", side: "source" })[0]).toBe("image")
  })

  it("at an input offers node types with a compatible output", () => {
    const matches = searchNodeTypes(catalog.values(), "", { type: "mask", side: "target" })
    expect(matches.every(({ type }) => type.outputs.some((port) => ["mask", "image"].includes(port.type)))).toBe(true)
  })

  it("searches titles before descriptions", () => {
    expect(searchNodeTypes(catalog.values(), "upsc", null)[0]?.type.name).toBe("upscale")
    expect(searchNodeTypes(catalog.values(), "genim", null)[0]?.type.name).toBe("generate_image")
    expect(searchNodeTypes(catalog.values(), "text", null)[0]?.type.name).toBe("text")
  })
})
