/** Placeholder cards of running uploads, with preview, progress and a cancel button. */

import { ViewportPortal } from "@xyflow/react"
import { useEffect, useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { formatMegabytes } from "../state/files"
import { DEFAULT_WIDTH } from "../state/node-layout"
import type { Point } from "../state/store"
import { phaseText, type Upload } from "../state/uploads"

export function UploadPlaceholders() {
  const uploads = useCanvas((state) => state.uploads)
  if (uploads.size === 0) return null
  return (
    <ViewportPortal>
      {[...uploads.values()].map((upload) => (
        <UploadCard key={upload.id} upload={upload} />
      ))}
    </ViewportPortal>
  )
}

function UploadCard({ upload }: { upload: Upload }) {
  const { uploader, editing } = useBridge()
  const preview = useFilePreview(upload)
  const { target, phase, progress } = upload
  const [rect] = target.kind === "replace" ? editing.rects([target.nodeId]) : []
  const cancelLabel = phase === "failed" ? "Discard" : "Cancel"
  const at: Point = rect ?? ("at" in target ? target.at : { x: 0, y: 0 })
  return (
    <article
      className={`ff-upload nodrag nopan ff-type-${upload.kind}${phase === "failed" ? " is-failed" : ""}`}
      style={{ transform: `translate(${at.x}px, ${at.y}px)`, width: rect?.width ?? DEFAULT_WIDTH }}
      aria-label={`${upload.name}: ${phaseText(upload)}`}
    >
      <header>
        <i className="ff-dot" aria-hidden="true" />
        <b title={upload.name}>{upload.name}</b>
        <span className="ff-mono ff-muted">{formatMegabytes(upload.sizeBytes)}</span>
      </header>
      {preview && <img src={preview} alt="" draggable={false} />}
      {upload.error && <p role="alert">{upload.error}</p>}
      <footer>
        <span aria-live="polite">{phaseText(upload)}</span>
        {phase === "failed" && (
          <button type="button" className="ff-button" onClick={() => uploader.retry(upload.id)}>
            Retry
          </button>
        )}
        <button
          type="button"
          className="ff-button"
          aria-label={`${cancelLabel} ${upload.name}`}
          onClick={() => uploader.cancel(upload.id)}
        >
          {cancelLabel}
        </button>
      </footer>
      {phase !== "failed" && (
        <span
          className={`ff-progress${progress === null ? " is-unknown" : ""}`}
          role="progressbar"
          aria-label={upload.name}
          aria-valuenow={progress === null ? undefined : Math.round(progress * 100)}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <i style={{ transform: `scaleX(${progress ?? 1})` }} />
        </span>
      )}
    </article>
  )
}

/** Object URL of the local picture file; null for other files. */
function useFilePreview({ id, kind }: Upload): string | null {
  const { uploader } = useBridge()
  const [url, setUrl] = useState<string | null>(null)
  useEffect(() => {
    const file = kind === "image" ? uploader.fileOf(id) : null
    if (!file) return
    const objectUrl = URL.createObjectURL(file)
    setUrl(objectUrl)
    return () => URL.revokeObjectURL(objectUrl)
  }, [uploader, id, kind])
  return url
}
