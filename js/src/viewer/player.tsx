/** Result other than a picture: video or audio with the browser's controls, or text. */

import { useBytes } from "../bridge/use-bytes"
import type { ViewedResult } from "../state/viewer-state"

export function Player({ result }: { result: ViewedResult }) {
  const { cell, kind, title, label } = result
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
        The file of this result is unavailable.
      </p>
    )
  }
  const mediaProps = { key: result.id, src: asset.url, controls: true, "aria-label": name, onError: asset.onError }
  return kind === "video" ? (
    <video {...mediaProps} className="ff-playing" poster={poster.url} crossOrigin="anonymous" playsInline loop />
  ) : (
    <audio {...mediaProps} className="ff-playing" crossOrigin="anonymous" />
  )
}
