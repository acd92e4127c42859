/** The pictures of several results, decoded for drawing; each comes when it comes. */

import { useEffect, useState } from "react"
import { type Bridge, useBridge } from "../bridge/context"
import { loadPicture } from "../gl/picture"
import type { Picture } from "../gl/renderer"
import type { ResultCell } from "../wire/run"

/** Null: on its way. `lost`: nobody gives its bytes, or they are no picture. */
export type PictureState = Picture | "lost" | null

const keyOf = (cell: ResultCell): string => cell.sha256 ?? cell.url ?? cell.preview_url ?? ""

export function usePictures(cells: readonly ResultCell[]): readonly PictureState[] {
  const bridge = useBridge()
  const keys = cells.map(keyOf)
  const said = keys.join(" ")
  const [loaded, setLoaded] = useState<ReadonlyMap<string, PictureState>>(new Map())
  // biome-ignore lint/correctness/useExhaustiveDependencies: `said` is all of the cells that matters
  useEffect(() => {
    let isOn = true
    const letGo: (() => void)[] = []
    for (const cell of cells) {
      const key = keyOf(cell)
      const tell = (picture: PictureState) =>
        isOn && setLoaded((known) => new Map([...keepOnly(known, keys), [key, picture]]))
      loadCurrent(bridge, cell, (release) => (isOn ? letGo.push(release) : release())).then(tell, () => tell("lost"))
    }
    return () => {
      isOn = false
      for (const release of letGo) release()
    }
  }, [bridge, said])
  return keys.map((key) => loaded.get(key) ?? null)
}

/** Only what is shown now is remembered: pictures are large. */
const keepOnly = (known: ReadonlyMap<string, PictureState>, keys: readonly string[]) =>
  [...known].filter(([key]) => keys.includes(key))

/** An address may have expired: then another is asked for, once. */
async function loadCurrent({ bytes }: Bridge, cell: ResultCell, hold: (release: () => void) => void): Promise<Picture> {
  const url = await bytes.resolveUrl(cell, "asset")
  hold(bytes.retain(url))
  try {
    return await loadPicture(url)
  } catch (error) {
    if (!(error instanceof DOMException)) throw error
    const other = await bytes.refreshUrl(cell, "asset", url)
    hold(bytes.retain(other))
    return loadPicture(other)
  }
}
