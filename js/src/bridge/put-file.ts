/** PUT with upload progress, which `fetch` does not report. */

import type { JsonObject } from "../wire/flow"
import { xsrfToken } from "./server"

/** The upload was refused or the server did not respond. The message includes what to do next. */
export class UploadRefusedError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

const PRECONDITION_FAILED = 412

/**
 * Uploads bytes. The URL is bound to the digest, so that 412 (already stored) counts as success.
 *
 * `headers`: headers that the URL was signed with. Rejects with `UploadRefusedError`, or the signal's reason.
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
    // Send the token to this page's server only.
    const token = isSameOrigin(url) ? xsrfToken(document.cookie) : null
    if (token !== null) request.setRequestHeader("X-XSRFToken", token)
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total)
    request.onabort = () => reject(signal.reason)
    request.onerror = () =>
      reject(new UploadRefusedError("offline", "The server does not respond. Check the connection and try again."))
    request.onload = () => {
      const { status, responseText } = request
      if ((status >= 200 && status < 300) || status === PRECONDITION_FAILED) resolve()
      else reject(isSameOrigin(url) ? serverError(status, parseJson(responseText)) : bucketError(status))
    }
    request.onloadend = () => signal.removeEventListener("abort", stop)
    request.send(file)
  })
}

const isSameOrigin = (url: string): boolean => new URL(url, location.href).origin === location.origin

/** Error for a response of a bucket: a signed header does not match, or the URL has expired. */
export function bucketError(status: number): UploadRefusedError {
  switch (status) {
    case 400:
      return new UploadRefusedError("wrong_digest", "The file changed while it was read. Choose it again.")
    case 403:
      return new UploadRefusedError(
        "expired_link",
        "The bucket refused the upload. Try again; `fusionflow doctor --r2` shows what it needs.",
      )
    case 507:
      return new UploadRefusedError("disk_full", "The bucket is full. Free space and try again.")
    default:
      return new UploadRefusedError("refused", `The bucket refused the upload (${status}). Try again.`)
  }
}

/** Error for a response of the Jupyter server: the extension's own message if there is one, else one for the status. */
export function serverError(status: number, body: JsonObject | null): UploadRefusedError {
  const error = body?.error as { code?: string; message?: string; hint?: string } | undefined
  if (error?.message)
    return new UploadRefusedError(error.code ?? "refused", [error.message, error.hint].filter(Boolean).join(" "))
  switch (status) {
    case 413:
      return new UploadRefusedError("too_large", "Too large for a proxy or server. Load it from a cell by its path.")
    case 401:
    case 403:
      return new UploadRefusedError("not_allowed", "Jupyter refused the upload. Reload the page to log in again.")
    case 507:
      return new UploadRefusedError("disk_full", "The disk is full. Free space and try again.")
    default:
      return new UploadRefusedError("refused", `The server refused the upload (${status}). Try again.`)
  }
}

function parseJson(text: string): JsonObject | null {
  try {
    return JSON.parse(text) as JsonObject
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
