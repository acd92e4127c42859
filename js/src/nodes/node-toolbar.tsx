/** Toolbar above the selected node. */

import { useBridge, useCanvas } from "../bridge/context"
import { setStripLayout } from "../state/batches"
import { isRunning } from "../state/card"
import type { CardData } from "../state/derived"
import { fileKindOf } from "../state/files"
import { humanize } from "../state/form"
import { estimatePrice, formatUsdRange } from "../state/format"
import { FilePickerButton } from "./file-picker-button"

export function NodeToolbar({ id, card }: { id: string; card: CardData }) {
  const { editing, store } = useBridge()
  const price = useCanvas((state) => {
    const { low, high, nodes } = estimatePrice(state.shared.document, state.plan, [id])
    return nodes.length > 0 ? formatUsdRange(low, high) : ""
  })
  const isStrip = useCanvas((state) => state.shared.document.looks.get(id)?.is_strip === true)
  const { facts } = card
  const isStructural = facts.type?.kind === "structural"
  const masks = facts.type?.inputs.filter((port) => port.type === "mask") ?? []
  return (
    <div className="ff-actions nodrag" role="toolbar" aria-label={`Actions for ${card.title}`}>
      {isRunning(facts) ? (
        <>
          <button type="button" onClick={() => editing.cancel(id)} title="Cancel this node (.)">
            ■ Cancel
          </button>
          <button
            type="button"
            onClick={() => editing.cancel(id, true)}
            title="Cancel this node and all nodes downstream"
          >
            Cancel downstream
          </button>
        </>
      ) : (
        !isStructural && (
          <>
            <button
              type="button"
              disabled={price === ""}
              onClick={() => editing.run([id])}
              title="Run this node and its inputs"
            >
              ▶ Run <span className="ff-mono">{price}</span>
            </button>
            <button
              type="button"
              onClick={() => editing.runAgain([id])}
              title="Run again: new take, with a new seed unless the seed is locked (R)"
            >
              Run again
            </button>
          </>
        )
      )}
      {!isStructural && (
        <button
          type="button"
          aria-pressed={facts.node.locked !== null}
          onClick={() => editing.toggleLocked([id])}
          title="Lock this result: it stays when upstream nodes change (L)"
        >
          Lock
        </button>
      )}
      <button
        type="button"
        aria-pressed={facts.node.isMuted}
        onClick={() => editing.toggleMuted([id])}
        title="Skip this node and all nodes downstream in runs (M)"
      >
        Mute
      </button>
      {fileKindOf(facts.type) !== null && <FilePickerButton id={id} card={card} text="Choose file" />}
      {masks.map((port) => (
        <button
          key={port.name}
          type="button"
          onClick={() => store.setState({ panel: { kind: "mask", nodeId: id, port: port.name } })}
          title={`Paint ${humanize(port.name)} over the picture`}
        >
          Paint {humanize(port.name)}
        </button>
      ))}
      {card.cells.length > 1 && (
        <button
          type="button"
          aria-pressed={isStrip}
          onClick={() => setStripLayout(editing, id, !isStrip)}
          title="Show all cells in one scrolling row"
        >
          Strip
        </button>
      )}
      {card.allFields.length > card.fields.length && (
        <button
          type="button"
          aria-pressed={store.getState().isInspectorOpen}
          onClick={() => store.setState((state) => ({ isInspectorOpen: !state.isInspectorOpen }))}
          title="All settings (I)"
        >
          Settings
        </button>
      )}
    </div>
  )
}
