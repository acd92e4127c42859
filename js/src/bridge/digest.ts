/** Computes the sha256 of a file, in a worker if the page allows it. */

import workerText from "bundled-text:./digest-worker.ts"

type WorkerMessage = { progress?: number; sha256?: string; problem?: string }

/** The file could not be read: it was moved, changed, or access is denied. */
export class FileUnreadableError extends Error {}
/** The page blocks workers and blob modules. Upload through the kernel, which computes the digest itself. */
export class DigestUnavailableError extends Error {}

const START_TIMEOUT_MS = 3000

let moduleUrl: string | null = null
const getModuleUrl = (): string => {
  moduleUrl ??= URL.createObjectURL(new Blob([workerText], { type: "text/javascript" }))
  return moduleUrl
}

/**
 * Returns 64 hex digits. `onProgress` receives fractions, 0 to 1.
 *
 * Rejects with `FileUnreadableError`, `DigestUnavailableError`, or the signal's reason.
 */
export async function sha256Of(
  file: Blob,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted()
  const sha256 = await digestInWorker(file, onProgress, signal)
  if (sha256 !== null) return sha256
  const module = await importOnPage()
  try {
    return await module.digest(file, (fraction) => {
      signal.throwIfAborted()
      onProgress(fraction)
    })
  } catch (error) {
    signal.throwIfAborted()
    throw new FileUnreadableError(error instanceof Error ? error.message : "")
  }
}

async function importOnPage(): Promise<typeof import("./digest-worker")> {
  try {
    return await import(/* @vite-ignore */ getModuleUrl())
  } catch {
    throw new DigestUnavailableError() // blocked by a page policy; browsers throw different errors
  }
}

/** Resolves to null if workers are blocked: some pages throw, on others the worker never responds. */
function digestInWorker(
  file: Blob,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let worker: Worker
    try {
      worker = new Worker(getModuleUrl(), { type: "module" })
    } catch {
      resolve(null) // blocked by a page policy
      return
    }
    const timer = setTimeout(() => end(() => resolve(null)), START_TIMEOUT_MS)
    const stop = () => end(() => reject(signal.reason))
    const end = (settle: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener("abort", stop)
      worker.terminate()
      settle()
    }
    signal.addEventListener("abort", stop)
    worker.onerror = (event) => {
      event.preventDefault()
      end(() => resolve(null))
    }
    worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      clearTimeout(timer)
      const { sha256, problem } = data
      if (data.progress !== undefined) onProgress(data.progress)
      else if (sha256 !== undefined) end(() => resolve(sha256))
      else end(() => reject(new FileUnreadableError(problem)))
    }
    worker.postMessage(file)
  })
}
