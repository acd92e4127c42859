/** Harness for tests of the dev page in a browser; they are skipped without one. */

import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { type Browser, chromium, type Locator, type Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest"
import type { Dev } from "../../dev/page"
import { FLAGS } from "../../dev/served.mjs"

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium"
export const hasBrowser = existsSync(executablePath)
declare const dev: Dev

interface Axe {
  run: (root: unknown) => Promise<{
    violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[]
  }>
}

const MAX_READS = 150

/** Read a value until it is accepted and equal three times in a row; rendering is incremental. */
export async function settled<T>(read: () => Promise<T>, isAccepted: (value: T) => boolean = () => true): Promise<T> {
  let [last, times] = ["", 0]
  for (let attempt = 0; attempt < MAX_READS; attempt++) {
    const value = await read()
    const now = JSON.stringify(value)
    times = now === last && isAccepted(value) ? times + 1 : 0
    if (times === 2) return value
    last = now
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error(`The value did not settle: ${last}`)
}

/** One browser per test file and a new page per test. An error on the page fails the test. */
export function journeys() {
  let browser: Browser
  const problems: string[] = []
  const at = { page: null as unknown as Page }

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: FLAGS })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
  })
  afterEach(async () => {
    await at.page.close()
    expect(problems.splice(0)).toEqual([])
  })

  return {
    /** `before` runs in the page before any other script. */
    open: async (scene: string, theme = "dark", query = "", before?: () => void): Promise<Page> => {
      at.page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
      at.page.on("pageerror", (error) => problems.push(error.message))
      if (before) await at.page.addInitScript(before)
      await at.page.goto(`${inject("devPage")}?scene=${scene}&theme=${theme}${query}`)
      await at.page.waitForSelector(".ff-tape")
      if (scene !== "empty") await at.page.waitForSelector(".ff-card, .ff-overview")
      await at.page.evaluate(() => dev.bridge.root.current?.focus())
      return at.page
    },
    drag: async (from: { x: number; y: number }, by: { x: number; y: number }): Promise<void> => {
      await at.page.mouse.move(from.x, from.y)
      await at.page.mouse.down()
      await at.page.mouse.move(from.x + by.x / 2, from.y + by.y / 2, { steps: 4 })
      await at.page.mouse.move(from.x + by.x, from.y + by.y, { steps: 6 })
    },
    center: async (locator: Locator): Promise<{ x: number; y: number }> => {
      const box = await locator.boundingBox()
      if (!box) throw new Error("not on the page")
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
    },
    /** Serious accessibility violations that axe reports for an element. */
    violations: async (root = ".ff-holder"): Promise<string[]> => {
      // Wait for finite animations: colors that fade in have too little contrast. Infinite ones are ignored.
      await at.page.evaluate(() => {
        const ends = document
          .getAnimations()
          .filter((animation) => Number.isFinite(animation.effect?.getComputedTiming().endTime))
        return Promise.allSettled(ends.map((animation) => animation.finished)).then(() => undefined)
      })
      await at.page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core/axe.min.js") })
      return at.page.evaluate(async (root) => {
        const { axe } = globalThis as unknown as { axe: Axe }
        const { violations } = await axe.run(document.querySelector(root))
        return violations
          .filter((violation) => violation.impact === "serious" || violation.impact === "critical")
          .map(
            (violation) =>
              `${violation.id}: ${violation.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`,
          )
      }, root)
    },
  }
}
