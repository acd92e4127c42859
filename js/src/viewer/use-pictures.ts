/** Decoded pictures of several results; each loads independently. */

import { useEffect, useState } from "react"
import { type Bridge, useBridge } from "../bridge/context"
import { loadPicture } from "../gl/picture"
import type { Picture } from "../gl/renderer"
import type { ResultCell } from "../wire/run"

/** Null while loading; `lost` if the bytes are unavailable or not a picture. */
export type PictureState = Picture | "lost" | null

const keyOf = (cell: ResultCell): string => cell.sha256 ?? cell.url ?? cell.preview_url ?? ""

export function usePictures(cells: readonly ResultCell[]): readonly PictureState[] {
  const bridge = useBridge()
  const keys = cells.map(keyOf)
  const cellKeys = keys.join(" ")
  const [loaded, setLoaded] = useState<ReadonlyMap<string, PictureState>>(new Map())
  // biome-ignore lint/correctness/useExhaustiveDependencies: `cellKeys` identifies the cells
  useEffect(() => {
    let isMounted = true
    const releases: (() => void)[] = []
    for (const cell of cells) {
      const key = keyOf(cell)
      const setPicture = (picture: PictureState) =>
        isMounted && setLoaded((previous) => new Map([...keepOnly(previous, keys), [key, picture]]))
      loadWithRetry(bridge, cell, (release) => (isMounted ? releases.push(release) : release())).then(setPicture, () =>
        setPicture("lost"),
      )
    }
    return () => {
      isMounted = false
      for (const release of releases) release()
    }
  }, [bridge, cellKeys])
  return keys.map((key) => loaded.get(key) ?? null)
}

/** Drop pictures that are no longer shown, because they are large. */
const keepOnly = (previous: ReadonlyMap<string, PictureState>, keys: readonly string[]) =>
  [...previous].filter(([key]) => keys.includes(key))

/** Load a picture; if its URL has expired, request a new URL and retry once. */
async function loadWithRetry(
  { bytes }: Bridge,
  cell: ResultCell,
  onRetain: (release: () => void) => void,
): Promise<Picture> {
  const url = await bytes.resolveUrl(cell, "asset")
  onRetain(bytes.retain(url))
  try {
    return await loadPicture(url)
  } catch (error) {
    if (!(error instanceof DOMException)) throw error
    const freshUrl = await bytes.refreshUrl(cell, "asset", url)
    onRetain(bytes.retain(freshUrl))
    return loadPicture(freshUrl)
  }
}
