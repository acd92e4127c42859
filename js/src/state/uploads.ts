/** Files on their way into the store: where each stands, as a person sees it. Who moves them stands in the bridge. */

import type { FileKind, FileTarget } from "./files"

export interface Upload {
  readonly id: string
  readonly name: string
  readonly kind: FileKind
  readonly mediaType: string
  readonly sizeBytes: number
  readonly target: FileTarget
  readonly phase: "waiting" | "reading" | "sending" | "storing" | "failed"
  /** Of the phase, 0..1; null where nobody says. */
  readonly progress: number | null
  /** Why it failed and what to do next; null otherwise. */
  readonly error: string | null
}

export type Uploads = ReadonlyMap<string, Upload>

export type UploadStep =
  | { kind: "begin" | "send" | "store" | "retry" | "end" }
  | { kind: "progress"; fraction: number }
  | { kind: "fail"; problem: string }

/** After a step of one upload. A step that is late - of an upload that is gone or has failed - changes nothing. */
export function reduceUploads(uploads: Uploads, id: string, step: UploadStep): Uploads {
  const upload = uploads.get(id)
  if (!upload) return uploads
  const next = after(upload, step)
  if (next === upload) return uploads
  const changed = new Map(uploads)
  if (next === null) changed.delete(id)
  else changed.set(id, next)
  return changed
}

function after(upload: Upload, step: UploadStep): Upload | null {
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
      // Whole percents: more would draw often and show nothing.
      const progress = Math.round(Math.min(1, Math.max(0, step.fraction)) * 100) / 100
      return progress === upload.progress ? upload : { ...upload, progress }
    }
  }
}

const SAYS = {
  waiting: "waits",
  reading: "reading",
  sending: "uploading",
  storing: "storing",
  failed: "failed",
} as const

/** `uploading 42 %` */
export const phaseText = ({ phase, progress }: Upload): string =>
  progress === null || phase === "failed" ? SAYS[phase] : `${SAYS[phase]} ${Math.round(progress * 100)} %`
