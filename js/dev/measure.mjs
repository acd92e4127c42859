/** How long many nodes take: `node dev/measure.mjs [count...]`; first render, pan near, pan fit, updates a second. */
import { chromium } from "playwright-core"
import { FLAGS, served } from "./served.mjs"

const counts = process.argv
  .slice(2)
  .filter((one) => !one.startsWith("--"))
  .map(Number)
const { url, stop } = await served()
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [...FLAGS, "--disable-frame-rate-limit"],
})
try {
  for (const count of counts.length > 0 ? counts : [500, 5000]) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    await page.goto(`${url}?scene=${count}`)
    await page.waitForFunction(() => document.querySelector(".ff-card, .ff-overview"))
    const first = await page.evaluate(() => performance.now() - performance.getEntriesByName("begin").at(-1).startTime)
    await page.waitForTimeout(1500)
    const pan = (zoom) =>
      page.evaluate(async (zoom) => {
        const { flow, bridge } = dev
        if (zoom !== null) await flow().setViewport({ x: 0, y: 0, zoom })
        else {
          document.querySelector(".ff-root").dispatchEvent(new KeyboardEvent("keydown", { key: "f", bubbles: true }))
          await new Promise((done) => setTimeout(done, 500))
        }
        const frame = () => new Promise((done) => requestAnimationFrame(done))
        await frame()
        await frame()
        const gaps = []
        let last = performance.now()
        for (let i = 0; i < 40; i++) {
          const at = flow().getViewport()
          flow().setViewport({ ...at, x: at.x - 12 })
          await frame()
          const now = performance.now()
          gaps.push(now - last)
          last = now
        }
        gaps.sort((a, b) => a - b)
        return {
          median: gaps[20].toFixed(1),
          worst: gaps[39].toFixed(1),
          mounted: document.querySelectorAll(".ff-card").length,
          of: bridge.store.getState().shared.shown.nodes.size,
        }
      }, zoom)
    const near = await pan(1)
    const far = await pan(null)
    const update = await page.evaluate(() => {
      const { store, derived } = dev.bridge
      const ids = [...store.getState().shared.shown.nodes.keys()]
      const start = performance.now()
      for (let i = 0; i < 100; i++) {
        dev.reduce([
          {
            kind: "job-progress",
            run_id: "m",
            node_id: ids[(i * 37) % ids.length],
            state: "running",
            progress: (i % 10) / 10,
          },
        ])
        derived.boxes(store.getState())
      }
      return ((performance.now() - start) / 100).toFixed(2)
    })
    console.log(count, { first_ms: Math.round(first), near, far, update_ms: update })
    await page.close()
  }
} finally {
  await browser.close()
  await stop()
}
