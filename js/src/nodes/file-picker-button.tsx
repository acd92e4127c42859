/** Button that opens the file picker of a file node. */

import { useRef } from "react"
import { useBridge } from "../bridge/context"
import type { CardData } from "../state/derived"
import { fileKindOf } from "../state/files"

export function FilePickerButton({ id, card, text }: { id: string; card: CardData; text: string }) {
  const { uploader } = useBridge()
  const field = useRef<HTMLInputElement>(null)
  const kind = fileKindOf(card.facts.type)
  return (
    <>
      <button type="button" className="ff-choose nodrag" onClick={() => field.current?.click()}>
        {text}
      </button>
      <input
        ref={field}
        type="file"
        hidden
        accept={`${kind}/*`}
        aria-label={`File of ${card.title}`}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])]
          // Reset, so that choosing the same file again fires a change event.
          event.currentTarget.value = ""
          uploader.add(files, () => ({ kind: "replace", nodeId: id }))
        }}
      />
    </>
  )
}
