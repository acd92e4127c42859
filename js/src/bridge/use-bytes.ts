/** Hook that resolves the URL of a result's bytes, renews it on failure and releases it on unmount. */

import { useCallback, useEffect, useState } from "react"
import { bytesKey, type MediaAddress, type MediaUse } from "./bytes"
import { useBridge } from "./context"

export interface MediaUrl {
  /** Undefined while loading, or if the result has no bytes. */
  url: string | undefined
  /** The bytes are not available. */
  isMissing: boolean
  /** Error handler for the element that shows the URL. */
  onError: () => void
}

interface ResolvedUrl {
  key: string
  url: string | null
}

/** `isWanted`: false postpones the request, as for a video outside the viewport. */
export function useBytes(cell: MediaAddress | null | undefined, use: MediaUse, isWanted = true): MediaUrl {
  const { bytes } = useBridge()
  const key = cell && isWanted ? bytesKey(cell, use) : ""
  const [resolved, setResolved] = useState<ResolvedUrl | null>(null)
  const current = resolved?.key === key ? resolved : null
  const url =
    key === "" || !cell ? undefined : current ? (current.url ?? undefined) : (bytes.cachedUrl(cell, use) ?? undefined)
  const isRequesting = key !== "" && url === undefined && current === null

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` identifies the relevant parts of the cell
  useEffect(() => {
    if (!isRequesting || !cell) return
    let isMounted = true
    const update = (url: string | null) => isMounted && setResolved({ key, url })
    bytes.resolveUrl(cell, use).then(update, () => update(null))
    return () => {
      isMounted = false
    }
  }, [bytes, key, use, isRequesting])

  useEffect(() => (url === undefined ? undefined : bytes.retain(url)), [bytes, url])

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` identifies the relevant parts of the cell
  const onError = useCallback(() => {
    if (!cell || url === undefined) return
    const update = (next: string | null) => setResolved({ key, url: next })
    bytes.refreshUrl(cell, use, url).then(update, () => update(null))
  }, [bytes, key, use, url])

  return { url, isMissing: current?.url === null, onError }
}
