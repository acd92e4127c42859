/** Build and serve the dev page once for all browser tests, because test files run in parallel. */

import type { TestProject } from "vitest/node"
import { served } from "../../dev/served.mjs"

declare module "vitest" {
  interface ProvidedContext {
    devPage: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, stop } = await served()
  project.provide("devPage", url)
  return stop
}
