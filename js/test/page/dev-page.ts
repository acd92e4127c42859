/** The dev page is built and served once for all journeys: files of them run side by side. */

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
