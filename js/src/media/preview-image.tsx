/** Thumbnail of a result on a node, or a label if the bytes are missing. */

import { useBytes } from "../bridge/use-bytes"
import type { ResultCell } from "../wire/run"

export function PreviewImage({ cell, name }: { cell: ResultCell; name: string }) {
  const { url, isMissing, onError } = useBytes(cell, "preview")
  if (isMissing) return <MissingMedia />
  if (url === undefined) return <span className="ff-empty" aria-hidden="true" />
  return <img src={url} alt={name} draggable={false} decoding="async" onError={onError} />
}

/** Label for missing bytes. */
export const MissingMedia = () => <span className="ff-gone">not available</span>
