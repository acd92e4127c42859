/** A grey picture as PNG: one byte a pixel, where a canvas would write four. */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1
  return rest >>> 0
})

function crc(bytes: Uint8Array): number {
  let rest = 0xffffffff
  for (const byte of bytes) rest = (TABLE[(rest ^ byte) & 0xff] as number) ^ (rest >>> 8)
  return (rest ^ 0xffffffff) >>> 0
}

function chunk(name: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(12 + data.length)
  const view = new DataView(made.buffer)
  view.setUint32(0, data.length)
  made.set(
    [...name].map((letter) => letter.charCodeAt(0)),
    4,
  )
  made.set(data, 8)
  view.setUint32(8 + data.length, crc(made.subarray(4, 8 + data.length)))
  return made
}

/** `grey`: width * height bytes, row by row; 255 is white. */
export async function greyPng(grey: Uint8Array, width: number, height: number): Promise<Blob> {
  const head = new Uint8Array(13)
  const view = new DataView(head.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  head[8] = 8 // bits; the colour type after it stays 0: grey
  const rows = new Uint8Array(height * (width + 1)) // each row begins with its filter: 0, none
  for (let y = 0; y < height; y++) rows.set(grey.subarray(y * width, (y + 1) * width), y * (width + 1) + 1)
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"))
  const data = new Uint8Array(await new Response(packed).arrayBuffer())
  const parts = [new Uint8Array(SIGNATURE), chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", new Uint8Array())]
  return new Blob(parts, { type: "image/png" })
}
