import { describe, expect, it } from "vitest"
import { nodeFrom } from "../src/state/document"
import { fieldsOf, fieldsOnCard, taskOf, validateField } from "../src/state/form"
import { layoutNode } from "../src/state/node-layout"
import type { JsonObject } from "../src/wire/flow"
import { catalog, models } from "./catalog"

const typeOf = (name: string) => {
  const type = catalog.get(name)
  if (!type) throw new Error(name)
  return type
}
const node = (type: string, params: JsonObject = {}) => nodeFrom({ id: "n", type, params })
const control = (type: string, name: string) =>
  fieldsOf(typeOf(type), node(type), null).find((field) => field.name === name)?.control

describe("a form", () => {
  it("chooses the control of a parameter from its schema", () => {
    expect(control("grade", "exposure")).toBe("slider")
    expect(control("resize", "fit")).toBe("choice")
    expect(control("resize", "upscale")).toBe("toggle")
    expect(control("resize", "width")).toBe("number")
    expect(control("generate_image", "seed")).toBe("seed")
    expect(control("generate_image", "model")).toBe("model")
    expect(control("generate_image", "prompt")).toBe("text")
    expect(control("seeds", "values")).toBe("list")
    expect(control("generate_image", "settings")).toBe("json")
  })

  it("has a field for every parameter of every node type", () => {
    for (const type of catalog.values()) {
      const names = fieldsOf(type, node(type.name), null).map((field) => field.name)
      expect(names).toEqual(Object.keys(type.params_schema.properties ?? {}))
    }
  })

  it("shows set fields and those the model supports", () => {
    const model = models.get("local/landscape") ?? null
    const names = (params: JsonObject) =>
      fieldsOf(typeOf("generate_image"), node("generate_image", params), model).map((field) => field.name)
    expect(model && "guidance" in model.parameters).toBe(false)
    expect(names({})).not.toContain("guidance")
    expect(names({ guidance: 2 })).toContain("guidance")
    for (const name of Object.keys(model?.parameters ?? {})) expect(names({})).toContain(name)
  })

  it("puts required and set fields without an edge on the card", () => {
    const set = node("generate_image", { prompt: "x", guidance: 3, model: "m" })
    const fields = fieldsOf(typeOf("generate_image"), set, null)
    expect(fieldsOnCard(fields, set, new Set()).map((field) => field.name)).toEqual(["prompt", "model", "guidance"])
    expect(fieldsOnCard(fields, set, new Set(["prompt"])).map((field) => field.name)).toEqual(["model", "guidance"])
  })

  it("validates values, but not variables", () => {
    const field = fieldsOf(typeOf("grade"), node("grade"), null).find((candidate) => candidate.name === "exposure")
    if (!field) throw new Error("no field")
    expect(validateField(field, 9)).toBe("At most 4.")
    expect(validateField(field, 1)).toBeNull()
    expect(validateField(field, "{{stops}}")).toBeNull()
    expect(validateField(field, "dark")).toBe("Enter a number.")
  })

  it("derives the task from the connected ports", () => {
    const type = typeOf("generate_video")
    expect(taskOf(type, new Set())).toBe("text-to-video")
    expect(taskOf(type, new Set(["image"]))).toBe("image-to-video")
    expect(taskOf(type, new Set(["image", "video"]))).toBe("video-to-video")
  })
})

describe("a node layout", () => {
  it("has no gaps between sections and all ports inside", () => {
    for (const type of catalog.values()) {
      const example = node(type.name)
      const fields = fieldsOnCard(fieldsOf(type, example, null), example, new Set())
      const facts = {
        node: example,
        type,
        look: undefined,
        plan: undefined,
        fields,
        variables: [],
        connected: [],
        leaving: [],
        cells: [],
        reasons: [],
        error: null,
      }
      const box = layoutNode(facts)
      let y = 36
      for (const section of box.sections) {
        expect(section.y).toBe(y)
        y += section.height
      }
      expect(box.height).toBeGreaterThanOrEqual(y)
      for (const port of box.ports) expect(port.y).toBeLessThan(box.height)
    }
  })
})
