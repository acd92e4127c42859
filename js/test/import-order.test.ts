import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { describe, expect, it } from "vitest"

const root = resolve(import.meta.dirname, "../src")
/** A room imports from itself and from those before it. */
const ORDER = [
  "wire",
  "state",
  "bridge",
  "gl",
  "media",
  "nodes",
  "viewer",
  "panels",
  "mask",
  "canvas",
  "styles",
  "index",
  "layout",
]
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name))
const roomOf = (path: string) => path.split("/")[0]?.replace(/\.tsx?$/, "") ?? ""
const importsOf = (text: string) => [...text.matchAll(/(?:from|import) "([^"]+)"/g)].map((found) => found[1] as string)

describe("rooms", () => {
  for (const file of files) {
    const text = readFileSync(join(root, file), "utf8")
    it(`are imported one way: ${file}`, () => {
      for (const name of importsOf(text).filter((one) => one.startsWith("."))) {
        const target = roomOf(relative(root, resolve(root, dirname(file), name)))
        expect(ORDER, name).toContain(target)
        expect(ORDER.indexOf(target), `${file} imports ${name}`).toBeLessThanOrEqual(ORDER.indexOf(roomOf(file)))
      }
    })

    it(`know no React in wire and state, and stay short: ${file}`, () => {
      if (["wire", "state"].includes(roomOf(file))) {
        for (const name of importsOf(text)) expect(name).not.toMatch(/react|preact/)
      }
      expect(text.split("\n").length).toBeLessThan(330)
    })
  }
})
