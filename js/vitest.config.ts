import { dirname, resolve } from "node:path"
import { defineConfig } from "vitest/config"
import { textOf } from "./build.mjs"

const MARK = "bundled-text:"

/** What `build.mjs` does for esbuild. */
const bundledText = {
  name: "bundled-text",
  enforce: "pre" as const,
  resolveId: (id: string, importer?: string) =>
    id.startsWith(MARK) ? `\0${MARK}${resolve(dirname(importer ?? ""), id.slice(MARK.length))}` : null,
  load: async (id: string) =>
    id.startsWith(`\0${MARK}`) ? `export default ${JSON.stringify(await textOf(id.slice(MARK.length + 1)))}` : null,
}

export default defineConfig({
  plugins: [bundledText],
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/page/dev-page.ts",
    environment: "node",
    testTimeout: 60_000,
    // What a journey waits for comes when a slow machine gets to it; only what never comes is a failure.
    expect: { poll: { timeout: 20_000 } },
    hookTimeout: 60_000,
  },
})
