/** The address of a result's bytes for a component: found when it is wanted, renewed where it fails, let go at the end. */

import { useCallback, useEffect, useState } from "react"
import { bytesKey, type MediaAddress, type MediaUse } from "./bytes"
import { useBridge } from "./context"

export interface MediaUrl {
  /** Absent until it is known, and where there is none. */
  url: string | undefined
  /** Nobody gives these bytes. */
  isMissing: boolean
  /** For the element that shows it: it could not. */
  onError: () => void
}

interface ResolvedUrl {
  key: string
  url: string | null
}

/** `isWanted`: false asks for nothing yet, as for a video that nobody looks at. */
export function useBytes(cell: MediaAddress | null | undefined, use: MediaUse, isWanted = true): MediaUrl {
  const { bytes } = useBridge()
  const key = cell && isWanted ? bytesKey(cell, use) : ""
  const [found, setFound] = useState<ResolvedUrl | null>(null)
  const mine = found?.key === key ? found : null
  const url =
    key === "" || !cell ? undefined : mine ? (mine.url ?? undefined) : (bytes.cachedUrl(cell, use) ?? undefined)
  const isAsking = key !== "" && url === undefined && mine === null

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says all of the cell that matters
  useEffect(() => {
    if (!isAsking || !cell) return
    let isOn = true
    const tell = (url: string | null) => isOn && setFound({ key, url })
    bytes.resolveUrl(cell, use).then(tell, () => tell(null))
    return () => {
      isOn = false
    }
  }, [bytes, key, use, isAsking])

  useEffect(() => (url === undefined ? undefined : bytes.retain(url)), [bytes, url])

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says all of the cell that matters
  const onError = useCallback(() => {
    if (!cell || url === undefined) return
    const tell = (next: string | null) => setFound({ key, url: next })
    bytes.refreshUrl(cell, use, url).then(tell, () => tell(null))
  }, [bytes, key, use, url])

  return { url, isMissing: mine?.url === null, onError }
}
