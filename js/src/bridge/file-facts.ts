/** Reads size, duration and a preview image of a file by decoding it in the page. */

import type { FileKind } from "../state/files"
import type { MediaFacts } from "../wire/messages"

export interface FileInspection {
  facts: MediaFacts
  /** WebP with at most 256 px per side. */
  preview: ArrayBuffer | null
}

const PREVIEW_PX = 256
const QUALITY = 0.8
/** A video that the browser cannot play may fire no event. */
const TIMEOUT_MS = 15_000
/** First frames are often black. */
const POSTER_AT_S = 1

const EMPTY: FileInspection = { facts: { width: null, height: null, duration_s: null }, preview: null }

/** Never rejects. The kernel reads missing facts when it opens the file. */
export async function inspectFile(file: Blob, kind: FileKind, signal: AbortSignal): Promise<FileInspection> {
  try {
    return kind === "image" ? await inspectImage(file) : await inspectMedia(file, kind, signal)
  } catch {
    return EMPTY
  }
}

async function inspectImage(file: Blob): Promise<FileInspection> {
  const bitmap = await createImageBitmap(file)
  const { width, height } = bitmap
  try {
    return { facts: { width, height, duration_s: null }, preview: await scaledPreview(bitmap, width, height) }
  } finally {
    bitmap.close()
  }
}

async function inspectMedia(file: Blob, kind: "video" | "audio", signal: AbortSignal): Promise<FileInspection> {
  const player = document.createElement(kind)
  const url = URL.createObjectURL(file)
  try {
    player.muted = true
    player.preload = "auto"
    player.src = url
    await waitForEvent(player, "loadedmetadata", signal)
    const duration_s = Number.isFinite(player.duration) && player.duration > 0 ? player.duration : null
    if (!(player instanceof HTMLVideoElement) || player.videoWidth === 0)
      return { facts: { width: null, height: null, duration_s }, preview: null }
    const { videoWidth: width, videoHeight: height } = player
    player.currentTime = Math.min(POSTER_AT_S, (duration_s ?? 0) / 2)
    await waitForEvent(player, "seeked", signal)
    return { facts: { width, height, duration_s }, preview: await scaledPreview(player, width, height) }
  } finally {
    player.removeAttribute("src")
    player.load()
    URL.revokeObjectURL(url)
  }
}

function waitForEvent(player: HTMLMediaElement, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = new AbortController()
    const end = (settle: () => void) => {
      clearTimeout(timer)
      stop.abort()
      settle()
    }
    const timer = setTimeout(() => end(() => reject(new Error(`no ${event}`))), TIMEOUT_MS)
    const fail = () => end(() => reject(new Error(event)))
    player.addEventListener(event, () => end(resolve), { signal: stop.signal })
    player.addEventListener("error", fail, { signal: stop.signal })
    signal.addEventListener("abort", fail, { signal: stop.signal })
  })
}

async function scaledPreview(source: CanvasImageSource, width: number, height: number): Promise<ArrayBuffer | null> {
  const scale = Math.min(1, PREVIEW_PX / Math.max(width, height))
  const canvas = document.createElement("canvas")
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const pen = canvas.getContext("2d")
  if (!pen) return null
  pen.imageSmoothingQuality = "high"
  pen.drawImage(source, 0, 0, canvas.width, canvas.height)
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/webp", QUALITY))
  // A browser that cannot encode WebP returns a PNG.
  return blob?.type === "image/webp" ? blob.arrayBuffer() : null
}
