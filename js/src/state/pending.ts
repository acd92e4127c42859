/**
 * Optimistic edits of this view. They are stored apart from the confirmed document and reapplied after every change
 * by others. In any message order, a view with no pending edits shows the kernel's document.
 */

import type { Edit } from "../wire/flow"
import type { EditsBroadcast, Snapshot } from "../wire/messages"
import { applyEdits } from "./apply"
import { type Document, emptyDocument, fromWire } from "./document"
import { EditError } from "./json-values"

export interface EditBatch {
  id: string
  edits: Edit[]
}

export interface SharedDocument {
  /** The confirmed document and its revision. */
  base: Document
  rev: number
  /** Unconfirmed edits of this view, in sending order. */
  pending: readonly EditBatch[]
  /** `base` with `pending` applied: the document on screen. */
  document: Document
}

export const emptySharedDocument: SharedDocument = {
  base: emptyDocument,
  rev: -1,
  pending: [],
  document: emptyDocument,
}

/** Applies the view's own edits immediately. Throws `EditError` if they do not apply to the shown document. */
export function addPendingEdits(shared: SharedDocument, batch: EditBatch): SharedDocument {
  const shown = applyEdits(shared.document, batch.edits).document
  return { ...shared, pending: [...shared.pending, batch], document: shown }
}

/** Applies a broadcast. Returns `gap` if a revision is missing or the edits do not apply: request a snapshot then. */
export function confirmEdits(shared: SharedDocument, broadcast: EditsBroadcast): SharedDocument | "gap" {
  if (broadcast.rev <= shared.rev) return shared
  if (broadcast.rev !== shared.rev + 1) return "gap"
  let base: Document
  try {
    base = applyEdits(shared.base, broadcast.edits).document
  } catch (error) {
    if (error instanceof EditError) return "gap"
    throw error
  }
  const pending = shared.pending.filter((batch) => batch.id !== broadcast.id)
  // The broadcast confirms our next edit: the shown document already includes it in this order.
  const isExpected = broadcast.id !== undefined && shared.pending[0]?.id === broadcast.id
  return { base, pending, rev: broadcast.rev, document: isExpected ? shared.document : applyPending(base, pending) }
}

/** Removes a batch that the kernel refused. */
export function dropRefusedEdits(shared: SharedDocument, id: string): SharedDocument {
  const pending = shared.pending.filter((batch) => batch.id !== id)
  if (pending.length === shared.pending.length) return shared
  return { ...shared, pending, document: applyPending(shared.base, pending) }
}

/** Resets to a snapshot. `sentSince`: ids of batches sent after the snapshot was requested. */
export function resetToSnapshot(
  shared: SharedDocument,
  snapshot: Snapshot,
  sentSince: ReadonlySet<string>,
): SharedDocument {
  const base = fromWire(snapshot.flow)
  const pending = shared.pending.filter((batch) => sentSince.has(batch.id))
  return { base, rev: snapshot.rev, pending, document: applyPending(base, pending) }
}

/** Applies pending edits to a document. Skips batches that no longer apply; the kernel will refuse them. */
function applyPending(base: Document, pending: readonly EditBatch[]): Document {
  let shown = base
  for (const batch of pending) {
    try {
      shown = applyEdits(shown, batch.edits).document
    } catch (error) {
      if (!(error instanceof EditError)) throw error
    }
  }
  return shown
}
