/**
 * Screenshots of the dev page: `node dev/shots.mjs <folder> [scene...]`, in both themes. Needs a Chromium
 * (CHROMIUM, else /usr/bin/chromium).
 */
import { mkdirSync } from "node:fs"
import { chromium } from "playwright-core"
import { FLAGS, served } from "./served.mjs"

const [folder = "shots", ...selected] = process.argv.slice(2)
const press = (key) => (page) => page.keyboard.press(key)
const openViewer = async (page, id) => {
  await page.evaluate((id) => dev.bridge.viewer.openNode(id), id)
  await page.waitForSelector(".ff-viewer")
}
const mark = (page, id, at) => page.evaluate(([id, at]) => dev.mark(id, at), [id, at])
const compare = async (page, id, count) => {
  for (const at of [0, 1, 5, 8].slice(0, count)) await mark(page, id, at)
  await page.evaluate(() => dev.bridge.viewer.compare())
  await page.waitForSelector(".ff-viewer")
}
const grade = async (page) => {
  await page.locator("[id^=ff-card-grade-exposure-]").fill("0.6")
  await page.locator("[id^=ff-card-grade-temperature-]").fill("0.7")
  await page.locator("[id^=ff-card-grade-hue-]").fill("24")
  await page.waitForSelector(".ff-graded")
}
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
  silent: [
    "silent",
    (page) => page.evaluate(() => dev.bridge.editing.run(["still"])).then(() => page.waitForSelector(".is-estimate")),
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
  media: [
    "media",
    async (page) => {
      const at = await page.locator("[data-id=film] .ff-film").boundingBox()
      await page.locator("[data-id=music] .ff-wave").click({ position: { x: 60, y: 10 } })
      await page.mouse.move(at.x + at.width / 2, at.y + at.height / 2)
      await page.waitForTimeout(300)
      await page.mouse.move(at.x + at.width * 0.7, at.y + at.height / 2)
    },
  ],
  uploading: [
    "media",
    async (page) => {
      let isFirst = true // never finishes; the second upload is refused
      await page.route("**/uploads/**", (route) => {
        if (!isFirst) return route.fulfill({ status: 413, body: "" })
        isFirst = false
      })

      await page.evaluate(() => dev.drop(["coral", "opal"], { x: 40, y: 330 }))
      await page.waitForSelector(".ff-upload.is-failed")
    },
  ],
  mask: [
    "media",
    async (page) => {
      await page.evaluate(() => dev.bridge.store.setState({ panel: { kind: "mask", nodeId: "edit", port: "mask" } }))
      await page.waitForSelector(".ff-stage canvas")
      const draw = async (points) => {
        await page.mouse.move(...points[0])
        await page.mouse.down()
        for (const point of points.slice(1)) await page.mouse.move(...point, { steps: 8 })
        await page.mouse.up()
      }
      await draw([
        [520, 420],
        [640, 350],
        [780, 380],
      ])
      await page.getByLabel("Feather").fill("0.6")
      await draw([
        [560, 640],
        [900, 610],
      ])
    },
  ],
  batch: ["batch"],
  many: ["many", (page) => page.evaluate(() => dev.bridge.editing.select(["strip"]))],
  notes: ["notes"],
  group: ["notes", (page) => page.evaluate(() => dev.bridge.editing.select(["group/g2"]))],
  run: [
    "city",
    async (page) => {
      await page.evaluate(() => dev.bridge.editing.select(["still"]))
      await page.getByRole("button", { name: "Run options" }).click()
    },
  ],
  confirm: ["large", (page) => page.locator(".ff-button.is-primary").first().click()],
  conflict: ["city", (page) => page.evaluate(() => dev.kernel.conflict())],
  full: [
    "city",
    async (page) => {
      await page.evaluate(() => dev.bridge.root.current.focus())
      await page.keyboard.press("Shift+F")
    },
  ],
  file: ["city", (page) => page.locator(".ff-saved").click()],
  python: [
    "city",
    async (page) => {
      await page.evaluate(() => dev.bridge.root.current.focus())
      await page.keyboard.press("p")
    },
  ],
  error: ["error"],
  budgets: [
    "running",
    async (page) => {
      const cap = (label, spent, of) => ({ label, spent_micro_usd: spent * 1e6, cap_micro_usd: of * 1e6 })
      const budgets = [cap("a run", 0, 0.1), cap("today", 4.6, 5), cap("this month", 12.4, 60), cap("project", 9, 9)]
      await page.evaluate((budgets) => dev.bridge.store.setState({ budgets }), budgets)
      await page.waitForFunction(() => document.querySelector(".ff-passed"))
    },
  ],
  viewer: ["city", (page) => openViewer(page, "hero")],
  "viewer-batch": [
    "batch",
    async (page) => {
      await openViewer(page, "sweep")
      await page.keyboard.press("ArrowRight")
      await page.keyboard.press("1")
    },
  ],
  marks: [
    "city",
    async (page) => {
      for (const at of [0, 1, 2]) await mark(page, "still", at)
    },
  ],
  ...Object.fromEntries(
    [
      ["wipe", "w", 2],
      ["beside", "s", 4],
      ["difference", "d", 2],
      ["onion", "o", 3],
    ].map(([name, key, count]) => [
      `compare-${name}`,
      ["batch", (page) => compare(page, "sweep", count).then(() => page.keyboard.press(key))],
    ]),
  ),
  grade: ["grade", (page) => grade(page)],
  "viewer-grade": [
    "grade",
    async (page) => {
      await grade(page)
      await openViewer(page, "grade")
    },
  ],
  "viewer-film": ["city", (page) => openViewer(page, "film")],
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
    if (selected.length > 0 && !selected.includes(name)) continue
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
