/** One PUT with its progress; `fetch` does not say how much of a body has gone. */

import type { JsonObject } from "../wire/flow"
import { xsrfToken } from "./server"

/** Somebody said no, or nobody said anything; the message says what to do next. */
export class UploadRefusedError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

const EXISTS_ALREADY = 412

/**
 * Send bytes; resolves once they are there. Only exactly these bytes can be: "already there" is as good.
 *
 * `headers`: what the address was signed for. Rejects with `UploadRefusedError`, or the signal's reason.
 */
export function putFile(
  url: string,
  file: Blob,
  headers: Readonly<Record<string, string>>,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const stop = () => request.abort()
    signal.addEventListener("abort", stop)
    request.open("PUT", url)
    request.responseType = "text"
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    // Only the server of this page is to hear its token.
    const token = isHere(url) ? xsrfToken(document.cookie) : null
    if (token !== null) request.setRequestHeader("X-XSRFToken", token)
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total)
    request.onabort = () => reject(signal.reason)
    request.onerror = () =>
      reject(new UploadRefusedError("offline", "The server does not answer. Check the connection and try again."))
    request.onload = () => {
      const { status, responseText } = request
      if ((status >= 200 && status < 300) || status === EXISTS_ALREADY) resolve()
      else reject(isHere(url) ? serverError(status, parsed(responseText)) : bucketError(status))
    }
    request.onloadend = () => signal.removeEventListener("abort", stop)
    request.send(file)
  })
}

const isHere = (url: string): boolean => new URL(url, location.href).origin === location.origin

/** Why a bucket said no: what was pinned by the signature was not what came, or its time was over. */
export function bucketError(status: number): UploadRefusedError {
  switch (status) {
    case 400:
      return new UploadRefusedError("wrong_digest", "The file has changed while it was read. Choose it again.")
    case 403:
      return new UploadRefusedError(
        "expired_link",
        "The bucket refused the upload. Try again; `fusionflow doctor --r2` says what it needs.",
      )
    case 507:
      return new UploadRefusedError("disk_full", "The bucket is full. Make room and try again.")
    default:
      return new UploadRefusedError("refused", `The bucket refused it (${status}). Try again.`)
  }
}

/** Why a server said no: in its own words where they are ours, else by what its status means. */
export function serverError(status: number, said: JsonObject | null): UploadRefusedError {
  const error = said?.error as { code?: string; message?: string; hint?: string } | undefined
  if (error?.message)
    return new UploadRefusedError(error.code ?? "refused", [error.message, error.hint].filter(Boolean).join(" "))
  switch (status) {
    case 413:
      return new UploadRefusedError("too_large", "Too large for a server on the way. Load it from a cell by its path.")
    case 401:
    case 403:
      return new UploadRefusedError("not_allowed", "Jupyter does not allow it. Reload the page to log in again.")
    case 507:
      return new UploadRefusedError("disk_full", "The disk is full. Make room and try again.")
    default:
      return new UploadRefusedError("refused", `The server refused it (${status}). Try again.`)
  }
}

function parsed(text: string): JsonObject | null {
  try {
    return JSON.parse(text) as JsonObject
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
