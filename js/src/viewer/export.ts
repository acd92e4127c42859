/** Export a result: copy it, download it, or place it on the canvas. */

import type { Bridge } from "../bridge/context"
import { assetOf, fileEdits } from "../state/files"
import { KernelError } from "../state/kernel-reply"
import type { Point } from "../state/store"
import type { ViewedResult } from "../state/viewer-state"

/** Run an action and show its failure as a notice. */
async function withErrorNotice(bridge: Bridge, what: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    bridge.session.notify(`${what} ${error.message}`.trim(), "bad")
  }
}

/** Copy a picture as PNG, or a value as text. PNG is the format that every browser can copy. */
export const copyResult = (bridge: Bridge, { cell, kind }: ViewedResult): Promise<void> =>
  withErrorNotice(bridge, "This was not copied.", async () => {
    if (kind === "value") {
      const text = typeof cell.value === "string" ? cell.value : JSON.stringify(cell.value, null, 1)
      await navigator.clipboard.writeText(text)
    } else if (kind === "image") {
      // Pass the promise, not its result: Safari requires the write within the click.
      const item = new ClipboardItem({ "image/png": bridge.bytes.read(cell).then(asPng) })
      await navigator.clipboard.write([item])
    } else throw new Error("Only pictures and text can be copied; download the file instead.")
    bridge.session.notify(kind === "value" ? "Copied the text." : "Copied the picture.")
  })

async function asPng(blob: Blob): Promise<Blob> {
  if (blob.type === "image/png") return blob
  const bitmap = await createImageBitmap(blob)
  const canvas = document.createElement("canvas")
  canvas.width = bitmap.width
  canvas.height = bitmap.height
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0)
  bitmap.close()
  const png = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"))
  if (!png) throw new Error("The browser could not encode the picture as PNG.")
  return png
}

export const copyText = (bridge: Bridge, text: string, notice: string): Promise<void> =>
  withErrorNotice(bridge, "This was not copied.", async () => {
    await navigator.clipboard.writeText(text)
    bridge.session.notify(notice)
  })

/** Download the file with its recipe embedded. The kernel chooses the name. */
export const downloadResult = (bridge: Bridge, { cell, nodeId }: ViewedResult): Promise<void> =>
  withErrorNotice(bridge, "", async () => {
    if (!cell.sha256) throw new KernelError({ code: "no_bytes", message: "This result has no file." })
    const { reply, buffers } = await bridge.session.request({
      type: "download",
      sha256: cell.sha256,
      ...(nodeId !== null && { node_id: nodeId, coordinate: cell.coordinate }),
    })
    const name = reply.name ?? cell.sha256.slice(0, 12)
    const [buffer] = buffers
    if (!buffer) {
      const url = reply.url === undefined ? null : bridge.bytes.cachedUrl({ url: reply.url }, "asset")
      if (url === null) throw new KernelError({ code: "no_bytes", message: "The kernel sent no file." })
      save(url, name)
      return
    }
    const url = URL.createObjectURL(new Blob([buffer as DataView<ArrayBuffer>], { type: reply.media_type ?? "" }))
    save(url, name)
    setTimeout(() => URL.revokeObjectURL(url), 60_000) // the browser may still read from it
  })

function save(url: string, name: string): void {
  const link = document.createElement("a")
  link.href = url
  link.download = name
  link.click()
}

/** Add a file node at a point; the bytes are already in the store. Returns false if the result has no file. */
export function placeResult(
  { session, editing }: Bridge,
  { cell, kind, title, label }: ViewedResult,
  at: Point,
): boolean {
  const { shared, catalog } = session.store.getState()
  const asset = assetOf(cell)
  if (kind === "value" || !asset) return false
  const file = { kind, asset, name: [title, label].filter(Boolean).join(" ") }
  const { edits, id } = fileEdits(shared.document, catalog, file, { kind: "place", at })
  const isDone = session.edit(edits)
  if (isDone) editing.select([id])
  return isDone
}
