/** The sha256 of a file, off the main thread where the page allows it. */

import workerText from "bundled-text:./digest-worker.ts"

type Told = { progress?: number; sha256?: string; problem?: string }

/** The file could not be read: it was moved, changed, or is not allowed to be read. */
export class FileUnreadableError extends Error {}
/** This page allows neither a worker nor a module of its own: whoever takes bytes without a digest may have them. */
export class DigestUnavailableError extends Error {}

const BEGINS_MS = 3000

let address: string | null = null
const addressOfText = (): string => {
  address ??= URL.createObjectURL(new Blob([workerText], { type: "text/javascript" }))
  return address
}

/**
 * 64 hex digits. `onProgress` hears fractions, 0..1.
 *
 * Rejects with `FileUnreadableError`, `DigestUnavailableError`, or the signal's reason.
 */
export async function sha256Of(
  file: Blob,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted()
  const found = await inWorker(file, onProgress, signal)
  if (found !== null) return found
  const { digest } = await onPage()
  try {
    return await digest(file, (fraction) => {
      signal.throwIfAborted()
      onProgress(fraction)
    })
  } catch (error) {
    signal.throwIfAborted()
    throw new FileUnreadableError(error instanceof Error ? error.message : "")
  }
}

async function onPage(): Promise<typeof import("./digest-worker")> {
  try {
    return await import(/* @vite-ignore */ addressOfText())
  } catch {
    throw new DigestUnavailableError() // a policy of the page; whatever the browser calls it, the way on is the same
  }
}

/** Null where workers are refused: some pages forbid them with an error, some by saying nothing. */
function inWorker(file: Blob, onProgress: (fraction: number) => void, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let worker: Worker
    try {
      worker = new Worker(addressOfText(), { type: "module" })
    } catch {
      resolve(null) // as above
      return
    }
    const timer = setTimeout(() => end(() => resolve(null)), BEGINS_MS)
    const stop = () => end(() => reject(signal.reason))
    const end = (tell: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener("abort", stop)
      worker.terminate()
      tell()
    }
    signal.addEventListener("abort", stop)
    worker.onerror = (event) => {
      event.preventDefault()
      end(() => resolve(null))
    }
    worker.onmessage = ({ data }: MessageEvent<Told>) => {
      clearTimeout(timer)
      const { sha256, problem } = data
      if (data.progress !== undefined) onProgress(data.progress)
      else if (sha256 !== undefined) end(() => resolve(sha256))
      else end(() => reject(new FileUnreadableError(problem)))
    }
    worker.postMessage(file)
  })
}
