/** A result that is no picture: a video or a sound with the browser's own controls, or a text to read. */

import { useBytes } from "../bridge/use-bytes"
import type { ViewedResult } from "../state/viewer-state"

export function Player({ shown }: { shown: ViewedResult }) {
  const { cell, kind, title, label } = shown
  const asset = useBytes(kind === "value" ? null : cell, "asset")
  const poster = useBytes(kind === "video" ? cell : null, "preview")
  const name = [title, label].filter(Boolean).join(", ")
  if (kind === "value") {
    return (
      <pre className="ff-reading">
        {typeof cell.value === "string" ? cell.value : JSON.stringify(cell.value, null, 2)}
      </pre>
    )
  }
  if (asset.isMissing || (!asset.url && !cell.sha256)) {
    return (
      <p className="ff-wait" role="status">
        The bytes of this result are not to be had.
      </p>
    )
  }
  const facts = { key: shown.id, src: asset.url, controls: true, "aria-label": name, onError: asset.onError }
  return kind === "video" ? (
    <video {...facts} className="ff-playing" poster={poster.url} crossOrigin="anonymous" playsInline loop />
  ) : (
    <audio {...facts} className="ff-playing" crossOrigin="anonymous" />
  )
}
