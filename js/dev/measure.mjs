/**
 * How our canvas and plain React Flow bear many nodes, in turn, in one browser: `node dev/measure.mjs [--count 5000]
 * [--rounds 3] [--seconds 4] [--arms ours,card,label]`. Prints one JSON object a line, as measured; nobody rounds or judges here.
 */
import { build } from "esbuild"
import { chromium } from "playwright-core"
import { common } from "../build.mjs"
import { FLAGS, listening } from "./served.mjs"

const given = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : process.argv[at + 1]
}
const count = Number(given("count", 5000))
const rounds = Number(given("rounds", 3))
const seconds = Number(given("seconds", 4))
const PER_SECOND = 100
const ARMS = { ours: "arm=ours", card: "arm=plain&node=card", label: "arm=plain&node=label" }
const arms = given("arms", "ours,card,label").split(",")

const options = { ...common, outdir: "dev/built/measure", minify: true }
await build({ ...options, entryPoints: { ours: "dev/measure/ours.tsx" } })
// React itself for the other arm, whatever ours is built with.
await build({ ...options, alias: {}, entryPoints: { plain: "dev/measure/plain.tsx" } })
const { url, stop } = await listening(0)
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS })
const say = (facts) => console.log(JSON.stringify(facts))

/** What `work` gave, and the CPU time it took of the page's main thread: what others do on the machine is not in it. */
async function cpu(devtools, work) {
  const used = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics")
    return metrics.find((one) => one.name === "TaskDuration").value * 1000
  }
  const [before, began] = [await used(), performance.now()]
  const gave = await work()
  const cpu_ms = (await used()) - before
  return { gave, cpu_ms, share: cpu_ms / (performance.now() - began) }
}

async function round(arm) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.setDefaultTimeout(180_000)
  const problems = []
  page.on("pageerror", (error) => problems.push(error.message))
  const devtools = await page.context().newCDPSession(page)
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" })
  await page.goto(`${url}measure/index.html?${ARMS[arm]}&count=${count}`)
  await page.waitForFunction(() => "measured" in globalThis)
  const first = await cpu(devtools, () => page.evaluate(() => measured.first()))
  say({ arm, what: "first", ms: first.gave, cpu_ms: first.cpu_ms })
  await page.waitForTimeout(2000) // pictures come in
  for (const view of ["near", "far"]) {
    await page.evaluate((view) => (view === "near" ? measured.moveTo({ x: 0, y: 0, zoom: 1 }) : measured.fit()), view)
    await page.waitForTimeout(4000) // what coming here costs is not what staying costs
    const rest = () => page.waitForTimeout(seconds * 1000)
    const idle = (await cpu(devtools, rest)).share
    await page.evaluate((per) => {
      globalThis.hush = measured.say(per)
    }, PER_SECOND)
    await page.waitForTimeout(1500) // all of them have begun
    // Counting frames asks for frames, so the share is taken while nobody counts.
    const busy = (await cpu(devtools, rest)).share
    const fps = await page.evaluate((ms) => measured.frames(ms), seconds * 1000)
    const said = await page.evaluate(() => hush())
    const progress =
      view === "near" ? await page.evaluate(() => measured.shown().filter((text) => /\d %/.test(text)).length) : null
    if (progress === 0) throw new Error(`${arm}: no progress is shown`)
    say({ arm, what: "updates", view, idle, busy, fps, said, progress })
  }
  if (problems.length > 0) throw new Error(`${arm}: ${problems.join("; ")}`)
  await page.close()
}

try {
  say({ what: "setting", count, rounds, seconds, browser: browser.version() })
  for (let taken = 0; taken < rounds; taken++) for (const arm of arms) await round(arm)
} finally {
  await browser.close()
  await stop()
}
