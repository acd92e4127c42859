/** State of uploads in progress, for display. The bridge transfers the bytes. */

import type { FileKind, FileTarget } from "./files"

export interface Upload {
  readonly id: string
  readonly name: string
  readonly kind: FileKind
  readonly mediaType: string
  readonly sizeBytes: number
  readonly target: FileTarget
  readonly phase: "waiting" | "reading" | "sending" | "storing" | "failed"
  /** Progress of the phase, 0 to 1; null if unknown. */
  readonly progress: number | null
  /** Why the upload failed and what to do next; null otherwise. */
  readonly error: string | null
}

export type Uploads = ReadonlyMap<string, Upload>

export type UploadStep =
  | { kind: "begin" | "send" | "store" | "retry" | "end" }
  | { kind: "progress"; fraction: number }
  | { kind: "fail"; problem: string }

/** Applies one step. Late steps of a removed or failed upload change nothing. */
export function reduceUploads(uploads: Uploads, id: string, step: UploadStep): Uploads {
  const upload = uploads.get(id)
  if (!upload) return uploads
  const next = nextState(upload, step)
  if (next === upload) return uploads
  const changed = new Map(uploads)
  if (next === null) changed.delete(id)
  else changed.set(id, next)
  return changed
}

function nextState(upload: Upload, step: UploadStep): Upload | null {
  const { phase } = upload
  switch (step.kind) {
    case "end":
      return null
    case "retry":
      return phase === "failed" ? { ...upload, phase: "waiting", progress: null, error: null } : upload
    case "fail":
      return { ...upload, phase: "failed", progress: null, error: step.problem }
    case "begin":
      return phase === "waiting" ? { ...upload, phase: "reading", progress: null } : upload
    case "send":
      return phase === "reading" ? { ...upload, phase: "sending", progress: null } : upload
    case "store":
      return phase === "sending" ? { ...upload, phase: "storing", progress: null } : upload
    case "progress": {
      if (phase !== "reading" && phase !== "sending") return upload
      // Whole percents: smaller steps would cause renders without a visible change.
      const progress = Math.round(Math.min(1, Math.max(0, step.fraction)) * 100) / 100
      return progress === upload.progress ? upload : { ...upload, progress }
    }
  }
}

const PHASE_TEXTS = {
  waiting: "waits",
  reading: "reading",
  sending: "uploading",
  storing: "storing",
  failed: "failed",
} as const

/** `uploading 42 %` */
export const phaseText = ({ phase, progress }: Upload): string =>
  progress === null || phase === "failed" ? PHASE_TEXTS[phase] : `${PHASE_TEXTS[phase]} ${Math.round(progress * 100)} %`
