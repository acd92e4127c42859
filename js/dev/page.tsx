/** The dev page: `?scene=city&theme=dark`; everything can be seen and tested without Jupyter. */

import { bridgeOver, draw } from "../src/index"
import { FakeKernel } from "./fake-kernel"
import { worldOf } from "./scenes"

const query = new URLSearchParams(location.search)
document.body.dataset.theme = query.get("theme") ?? "dark"
const kernel = new FakeKernel(worldOf(query.get("scene") ?? "city"))
const bridge = bridgeOver(kernel)
const stop = draw(document.body, bridge, "100vh")

/** For journeys and measurements. */
export interface Dev {
  kernel: FakeKernel
  bridge: typeof bridge
  stop: () => void
  draw: typeof draw
}
Object.assign(globalThis, { dev: { kernel, bridge, stop, draw } satisfies Dev })
