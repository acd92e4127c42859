/** Replies of the dev kernel to byte requests: URLs on the dev server, or the bytes as buffers. */

import type { JsonObject } from "../src/wire/flow"
import type { ToKernel } from "../src/wire/messages"

export interface FakeReply {
  fields: JsonObject
  buffers?: DataView[]
}

export class FakeBytes {
  readonly #stored = new Map<string, { type: string; bytes: ArrayBuffer }>()

  /** Returns null for messages that are not byte requests. */
  async answer(message: ToKernel, buffers: ArrayBuffer[]): Promise<FakeReply | null> {
    switch (message.type) {
      case "place_upload": {
        const { sha256, media_type, size_bytes } = message
        const query = new URLSearchParams({ media_type, size_bytes: String(size_bytes), signature: "dev" })
        return { fields: { url: `fusionflow/uploads/${sha256}?${query}`, headers: null, media_type } }
      }
      case "confirm_upload": {
        const { type: _type, id: _id, ...asset } = message
        return { fields: { asset } }
      }
      case "sign": {
        const urls = message.sha256.map((sha256): [string, JsonObject] => [
          sha256,
          {
            url: `fusionflow/assets/${sha256}?signature=dev`,
            preview_url: `fusionflow/previews/${sha256}?signature=dev`,
          },
        ])
        return { fields: { urls: Object.fromEntries(urls) } }
      }
      case "upload": {
        const bytes = buffers[0] ?? new ArrayBuffer(0)
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
        const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")
        this.#stored.set(sha256, { type: message.media_type, bytes })
        const asset = { sha256, media_type: message.media_type, size_bytes: bytes.byteLength }
        return { fields: { asset: { ...asset, width: null, height: null, duration_s: null } } }
      }
      case "media": {
        const stored = this.#stored.get(message.sha256)
        if (!stored) return { fields: { error: { code: "lost", message: "Asset not found." } } }
        return { fields: { media_type: stored.type }, buffers: [new DataView(stored.bytes)] }
      }
      case "ask": {
        if (message.what !== "layering") return null
        const module = await (await fetch("built/layering.js")).arrayBuffer()
        return { fields: {}, buffers: [new DataView(module)] }
      }
      default:
        return null
    }
  }
}

/** Rising tone as a WAV file. */
export function tone(seconds: number): Blob {
  const rate = 8000
  const count = seconds * rate
  const view = new DataView(new ArrayBuffer(44 + count * 2))
  const write = (at: number, text: string) =>
    [...text].forEach((character, i) => void view.setUint8(at + i, character.charCodeAt(0)))
  write(0, "RIFF")
  view.setUint32(4, 36 + count * 2, true)
  write(8, "WAVEfmt ")
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, rate, true)
  view.setUint32(28, rate * 2, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  write(36, "data")
  view.setUint32(40, count * 2, true)
  for (let i = 0; i < count; i++) {
    const t = i / rate
    const loudness = Math.abs(Math.sin(t * 1.7)) * Math.min(1, t, seconds - t)
    view.setInt16(44 + i * 2, Math.sin(2 * Math.PI * (180 + 30 * t) * t) * 9000 * loudness, true)
  }
  return new Blob([view], { type: "audio/wav" })
}
