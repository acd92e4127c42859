/** What a page can say of a file by showing it to itself: its size, its length, and a small picture of it. */

import type { FileKind } from "../state/files"
import type { MediaFacts } from "../wire/messages"

export interface FileInspection {
  facts: MediaFacts
  /** WebP, at most 256 px a side. */
  preview: ArrayBuffer | null
}

const PREVIEW_PX = 256
const QUALITY = 0.8
/** A film that the browser cannot play says nothing at all. */
const TIMEOUT_MS = 15_000
/** First frames are often black. */
const POSTER_AT_S = 1

const EMPTY: FileInspection = { facts: { width: null, height: null, duration_s: null }, preview: null }

/** Never rejects: what cannot be seen here the kernel finds out when it opens the file. */
export async function inspectFile(file: Blob, kind: FileKind, signal: AbortSignal): Promise<FileInspection> {
  try {
    return kind === "image" ? await picture(file) : await played(file, kind, signal)
  } catch {
    return EMPTY
  }
}

async function picture(file: Blob): Promise<FileInspection> {
  const bitmap = await createImageBitmap(file)
  const { width, height } = bitmap
  try {
    return { facts: { width, height, duration_s: null }, preview: await small(bitmap, width, height) }
  } finally {
    bitmap.close()
  }
}

async function played(file: Blob, kind: "video" | "audio", signal: AbortSignal): Promise<FileInspection> {
  const player = document.createElement(kind)
  const url = URL.createObjectURL(file)
  try {
    player.muted = true
    player.preload = "auto"
    player.src = url
    await told(player, "loadedmetadata", signal)
    const duration_s = Number.isFinite(player.duration) && player.duration > 0 ? player.duration : null
    if (!(player instanceof HTMLVideoElement) || player.videoWidth === 0)
      return { facts: { width: null, height: null, duration_s }, preview: null }
    const { videoWidth: width, videoHeight: height } = player
    player.currentTime = Math.min(POSTER_AT_S, (duration_s ?? 0) / 2)
    await told(player, "seeked", signal)
    return { facts: { width, height, duration_s }, preview: await small(player, width, height) }
  } finally {
    player.removeAttribute("src")
    player.load()
    URL.revokeObjectURL(url)
  }
}

function told(player: HTMLMediaElement, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = new AbortController()
    const end = (tell: () => void) => {
      clearTimeout(timer)
      stop.abort()
      tell()
    }
    const timer = setTimeout(() => end(() => reject(new Error(`no ${event}`))), TIMEOUT_MS)
    const fail = () => end(() => reject(new Error(event)))
    player.addEventListener(event, () => end(resolve), { signal: stop.signal })
    player.addEventListener("error", fail, { signal: stop.signal })
    signal.addEventListener("abort", fail, { signal: stop.signal })
  })
}

async function small(source: CanvasImageSource, width: number, height: number): Promise<ArrayBuffer | null> {
  const scale = Math.min(1, PREVIEW_PX / Math.max(width, height))
  const canvas = document.createElement("canvas")
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const pen = canvas.getContext("2d")
  if (!pen) return null
  pen.imageSmoothingQuality = "high"
  pen.drawImage(source, 0, 0, canvas.width, canvas.height)
  const made = await new Promise<Blob | null>((give) => canvas.toBlob(give, "image/webp", QUALITY))
  // A browser that cannot write WebP gives a PNG instead.
  return made?.type === "image/webp" ? made.arrayBuffer() : null
}
