/** Loads the image and the initial mask of the painter. */

import { useEffect, useState } from "react"
import { useBridge } from "../bridge/context"
import type { MaskBasis } from "../state/masking"

export interface MaskPixels {
  /** URL of the image, or null. */
  url: string | null
  width: number
  height: number
  /** The mask connected to the port. */
  start: ImageBitmap | null
  /** Display color of the mask: the color least present in the image. */
  color: string
}

const COLORS: [color: string, red: number, green: number, blue: number][] = [
  ["#ff3d6e", 255, 61, 110],
  ["#21e6c1", 33, 230, 193],
  ["#4d7dff", 77, 125, 255],
]

function colorOver(picture: ImageBitmap | null): string {
  const context = document.createElement("canvas").getContext("2d")
  if (!picture || !context) return COLORS[0]?.[0] ?? ""
  context.drawImage(picture, 0, 0, 8, 8)
  const { data } = context.getImageData(0, 0, 8, 8)
  const similarity = ([, ...color]: (typeof COLORS)[number]) => {
    let sum = 0
    for (let offset = 0; offset < data.length; offset += 4) {
      sum += 1 / (1 + Math.hypot(...color.map((channel, index) => channel - (data[offset + index] ?? 0))))
    }
    return sum
  }
  return COLORS.reduce((best, color) => (similarity(color) < similarity(best) ? color : best))[0]
}

export type PixelsState = { kind: "loading" } | { kind: "failed"; why: string } | { kind: "loaded"; loaded: MaskPixels }

export function useMaskPixels(basis: MaskBasis): PixelsState {
  const { bytes } = useBridge()
  const [loading, setLoading] = useState<PixelsState>({ kind: "loading" })
  const [first] = useState(basis) // ignore changes of the canvas while painting
  useEffect(() => {
    let isMounted = true
    let url: string | null = null
    let start: ImageBitmap | null = null
    const load = async () => {
      const picture = first.picture && (await bytes.read(first.picture))
      const size = picture && (await createImageBitmap(picture))
      start = first.mask ? await createImageBitmap(await bytes.read(first.mask)) : null
      const { width, height } = size ?? start ?? { width: 0, height: 0 }
      const color = colorOver(size)
      size?.close()
      if (width === 0) throw new Error("There is no image to paint over yet.")
      url = picture && URL.createObjectURL(picture)
      if (isMounted) setLoading({ kind: "loaded", loaded: { url, width, height, start, color } })
      else free()
    }
    const free = () => {
      if (url !== null) URL.revokeObjectURL(url)
      start?.close()
    }
    load().catch((error: Error) => isMounted && setLoading({ kind: "failed", why: error.message }))
    return () => {
      isMounted = false
      free()
    }
  }, [bytes, first])
  return loading
}
