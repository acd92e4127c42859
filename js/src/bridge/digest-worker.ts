/**
 * Computes the sha256 of a file in slices. Bundled separately as text and started from it, because anywidget cannot load
 * relative modules. If workers are blocked, the page imports the same text and calls `digest`.
 */

import { sha256 } from "@noble/hashes/sha2.js"

const SLICE_BYTES = 4 << 20

export async function digest(file: Blob, onProgress: (fraction: number) => void): Promise<string> {
  const hash = sha256.create()
  for (let offset = 0; offset < file.size; offset += SLICE_BYTES) {
    hash.update(new Uint8Array(await file.slice(offset, offset + SLICE_BYTES).arrayBuffer()))
    onProgress(Math.min(1, (offset + SLICE_BYTES) / file.size))
  }
  return [...hash.digest()].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}

if (typeof document === "undefined" && typeof self !== "undefined" && "importScripts" in self) {
  self.onmessage = ({ data }: MessageEvent<Blob>) => {
    digest(data, (progress) => self.postMessage({ progress })).then(
      (sha256) => self.postMessage({ sha256 }),
      (error: Error) => self.postMessage({ problem: error.message }),
    )
  }
}
