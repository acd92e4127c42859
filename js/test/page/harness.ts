/** The dev page in a real browser, for journeys; they are skipped where there is none. */

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

const LOOKS = 150

/** A value that has come to rest: the same three times, with a while in between. What is drawn comes bit by bit. */
export async function settled<T>(read: () => Promise<T>, fits: (value: T) => boolean = () => true): Promise<T> {
  let [last, times] = ["", 0]
  for (let look = 0; look < LOOKS; look++) {
    const value = await read()
    const now = JSON.stringify(value)
    times = now === last && fits(value) ? times + 1 : 0
    if (times === 2) return value
    last = now
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error(`It never came to rest: ${last}`)
}

/** One browser for a file of journeys, a fresh page for each; an error on the page fails the journey. */
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
    /** `before`: runs in the page before anything else does. */
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
    /** What axe finds serious on the canvas, or on a part of it. */
    violations: async (root = ".ff-holder"): Promise<string[]> => {
      // What rises must have risen: colours that fade in have no contrast yet. What turns for ever is not waited for.
      await at.page.evaluate(() => {
        const ends = document.getAnimations().filter((one) => Number.isFinite(one.effect?.getComputedTiming().endTime))
        return Promise.allSettled(ends.map((one) => one.finished)).then(() => undefined)
      })
      await at.page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core/axe.min.js") })
      return at.page.evaluate(async (root) => {
        const { axe } = globalThis as unknown as { axe: Axe }
        const { violations } = await axe.run(document.querySelector(root))
        return violations
          .filter((one) => one.impact === "serious" || one.impact === "critical")
          .map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`)
      }, root)
    },
  }
}
