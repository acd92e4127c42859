/** Mask painter dialog: loads the image, stores the painted mask and connects it to the port. */

import { useBridge, useCanvas } from "../bridge/context"
import { Dialog } from "../panels/dialog"
import { humanize } from "../state/form"
import { freeBelow, MASK_NAME, maskBasis, maskEdits } from "../state/masking"
import type { MaskCanvas } from "./mask-canvas"
import { MaskPainter } from "./mask-painter"
import { greyPng } from "./png"
import { type MaskPixels, useMaskPixels } from "./use-mask-pixels"

export function MaskPanel() {
  const panel = useCanvas((state) => state.panel)
  return panel?.kind === "mask" ? <OpenPanel key={`${panel.nodeId}.${panel.port}`} {...panel} /> : null
}

function OpenPanel({ nodeId, port }: { nodeId: string; port: string }) {
  const { store, derived, session, editing, uploader } = useBridge()
  const basis = maskBasis(store.getState(), nodeId, port)
  const loading = useMaskPixels(basis)
  const title = `${derived.card(store.getState(), nodeId)?.title ?? nodeId}: ${humanize(port)}`
  const close = () => store.setState({ panel: null })

  const use = async (maskCanvas: MaskCanvas) => {
    const file = await greyPng(maskCanvas.grey(), maskCanvas.width, maskCanvas.height)
    close()
    const [rect] = editing.rects([nodeId])
    const rects = editing.rects(store.getState().shared.document.nodes.keys())
    const at = freeBelow(rects, { x: (rect?.x ?? 0) - 320, y: rect?.y ?? 0 })
    uploader.store(file, MASK_NAME, { kind: "port", nodeId, port, at }, (asset) => {
      const edits = maskEdits(store.getState(), nodeId, port, asset, at)
      if (edits.length === 0) session.notify("The node of this mask no longer exists.", "bad")
      else session.edit(edits)
    })
  }

  return (
    <Dialog label={`Paint ${title}`} className="ff-mask">
      {loading.kind === "loaded" ? (
        <MaskPainter
          title={title}
          note={noteOf(basis.pictures, loading.loaded)}
          {...loading}
          onUse={use}
          onClose={close}
        />
      ) : (
        <div className="ff-mask-wait">
          <p role="status">
            {loading.kind === "loading"
              ? "Loading the image…"
              : basis.picture || basis.mask
                ? loading.why
                : basis.picturePort === null
                  ? "This node has no image input to paint a mask for."
                  : `There is no image yet: connect one to ${humanize(basis.picturePort)} and run its node.`}
          </p>
          <button type="button" className="ff-button" onClick={close}>
            Close
          </button>
        </div>
      )}
    </Dialog>
  )
}

const noteOf = (pictures: number, { url, start }: MaskPixels): string =>
  [
    pictures > 1 ? `shown: first of ${pictures} images; the mask applies to all` : "",
    url === null ? "without an image" : "",
    start ? "starts from the current mask" : "",
  ]
    .filter(Boolean)
    .join(" · ")
