/**
 * Screenshots of the dev page: `node dev/shots.mjs <folder> [scene...]`, in both themes. Needs a Chromium
 * (CHROMIUM, else /usr/bin/chromium).
 */
import { mkdirSync } from "node:fs"
import { chromium } from "playwright-core"
import { FLAGS, served } from "./served.mjs"

const [folder = "shots", ...wanted] = process.argv.slice(2)
const press = (key) => (page) => page.keyboard.press(key)
const SCENES = {
  city: ["city"],
  running: [
    "running",
    async (page) => {
      await page.evaluate(() => dev.bridge.editing.run(["still"]))
      await page.waitForTimeout(500)
      await page.evaluate(() => dev.bridge.editing.select(["still"]))
    },
  ],
  empty: ["empty"],
  palette: [
    "city",
    async (page) => {
      await page.evaluate(() => dev.bridge.root.current.focus())
      await page.keyboard.press("Tab")
      await page.keyboard.type("ma")
    },
  ],
  model: [
    "city",
    async (page) => {
      await page.locator("[data-id=still] .ff-select").click()
    },
  ],
  inspector: [
    "city",
    async (page) => {
      await page.evaluate(() => dev.bridge.editing.select(["still"]))
      await page.evaluate(() => dev.bridge.store.setState({ isInspectorOpen: true }))
    },
  ],
  keys: [
    "city",
    async (page) => {
      await page.evaluate(() => dev.bridge.root.current.focus())
      await page.keyboard.press("?")
    },
  ],
  menu: [
    "city",
    async (page) => {
      await page.locator("[data-id=large] .ff-head").click({ button: "right" })
    },
  ],
  batch: ["batch"],
  error: ["error"],
  wide: ["wide", press("f")],
  least: [
    "wide",
    async (page) => {
      await page.evaluate(() => dev.bridge.root.current.focus())
      await page.keyboard.press("f")
    },
  ],
}

mkdirSync(folder, { recursive: true })
const { url, stop } = await served()
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS })
let isBroken = false
try {
  for (const [name, [scene, act]] of Object.entries(SCENES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    for (const theme of ["dark", "light"]) {
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
      page.on("pageerror", (error) => {
        isBroken = true
        console.error(name, theme, error.message)
      })
      page.on("console", (line) => line.type() === "error" && console.error(name, theme, line.text()))
      await page.goto(`${url}?scene=${scene}&theme=${theme}`)
      await page.waitForSelector(".ff-tape, .ff-tape-tab")
      await page.waitForTimeout(500)
      await act?.(page)
      await page.waitForTimeout(450)
      await page.screenshot({ path: `${folder}/${name}-${theme}.png` })
      await page.close()
    }
  }
} finally {
  await browser.close()
  await stop()
}
process.exitCode = isBroken ? 1 : 0
