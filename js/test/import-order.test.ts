import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { describe, expect, it } from "vitest"

const root = resolve(import.meta.dirname, "../src")
/** A folder imports only from itself and from folders before it. */
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
const folderOf = (path: string) => path.split("/")[0]?.replace(/\.tsx?$/, "") ?? ""
const importsOf = (text: string) => [...text.matchAll(/(?:from|import) "([^"]+)"/g)].map((match) => match[1] as string)

describe("folders", () => {
  for (const file of files) {
    const text = readFileSync(join(root, file), "utf8")
    it(`import in one direction: ${file}`, () => {
      for (const name of importsOf(text).filter((path) => path.startsWith("."))) {
        const target = folderOf(relative(root, resolve(root, dirname(file), name)))
        expect(ORDER, name).toContain(target)
        expect(ORDER.indexOf(target), `${file} imports ${name}`).toBeLessThanOrEqual(ORDER.indexOf(folderOf(file)))
      }
    })

    it(`have short files, and no React in wire and state: ${file}`, () => {
      if (["wire", "state"].includes(folderOf(file))) {
        for (const name of importsOf(text)) expect(name).not.toMatch(/react|preact/)
      }
      expect(text.split("\n").length).toBeLessThan(330)
    })
  }
})
