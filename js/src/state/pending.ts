/**
 * A view's own edits, shown before the kernel has spoken: kept apart from what it has confirmed, and laid anew over
 * every change of others. Whatever the order of messages, a view with nothing pending shows the kernel's document.
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
  /** What the kernel has confirmed, and its revision. */
  base: Document
  rev: number
  /** Ours, in the order of sending, not confirmed yet. */
  pending: readonly EditBatch[]
  /** `base` with `pending` on top: what is drawn. */
  document: Document
}

export const emptySharedDocument: SharedDocument = {
  base: emptyDocument,
  rev: -1,
  pending: [],
  document: emptyDocument,
}

/** Show our own edits at once. Throws `EditError` where they do not fit what is shown. */
export function addPendingEdits(shared: SharedDocument, batch: EditBatch): SharedDocument {
  const shown = applyEdits(shared.document, batch.edits).document
  return { ...shared, pending: [...shared.pending, batch], document: shown }
}

/** A broadcast. `gap`: something is missing before it (or it does not fit), and a snapshot is needed. */
export function confirmEdits(shared: SharedDocument, done: EditsBroadcast): SharedDocument | "gap" {
  if (done.rev <= shared.rev) return shared
  if (done.rev !== shared.rev + 1) return "gap"
  let base: Document
  try {
    base = applyEdits(shared.base, done.edits).document
  } catch (error) {
    if (error instanceof EditError) return "gap"
    throw error
  }
  const pending = shared.pending.filter((batch) => batch.id !== done.id)
  // Our own next edit, confirmed: what is shown was made of the same parts in the same order already.
  const isExpected = done.id !== undefined && shared.pending[0]?.id === done.id
  return { base, pending, rev: done.rev, document: isExpected ? shared.document : applyPending(base, pending) }
}

/** The kernel refused a batch of ours: it never was. */
export function dropRefusedEdits(shared: SharedDocument, id: string): SharedDocument {
  const pending = shared.pending.filter((batch) => batch.id !== id)
  if (pending.length === shared.pending.length) return shared
  return { ...shared, pending, document: applyPending(shared.base, pending) }
}

/** Begin again from a snapshot. `sentSince`: ids of our batches that were sent after it was asked for. */
export function resetToSnapshot(
  shared: SharedDocument,
  snapshot: Snapshot,
  sentSince: ReadonlySet<string>,
): SharedDocument {
  const base = fromWire(snapshot.flow)
  const pending = shared.pending.filter((batch) => sentSince.has(batch.id))
  return { base, rev: snapshot.rev, pending, document: applyPending(base, pending) }
}

/** Pending edits over a document; those that no longer fit are passed over until the kernel has said so. */
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
