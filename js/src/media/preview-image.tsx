/** A picture small enough for a node: its preview, and a word where nobody has it any more. */

import { useBytes } from "../bridge/use-bytes"
import type { ResultCell } from "../wire/run"

export function PreviewImage({ cell, name }: { cell: ResultCell; name: string }) {
  const { url, isMissing, onError } = useBytes(cell, "preview")
  if (isMissing) return <MissingMedia />
  if (url === undefined) return <span className="ff-empty" aria-hidden="true" />
  return <img src={url} alt={name} draggable={false} decoding="async" onError={onError} />
}

/** Said in place of bytes that cannot be had. */
export const MissingMedia = () => <span className="ff-gone">not to be had</span>
