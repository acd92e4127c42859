/** Title of a node or note. Double-click or F2 starts editing it. */

import { useBridge, useCanvas } from "../bridge/context"

export function EditableTitle({ id, title }: { id: string; title: string }) {
  const { store, editing } = useBridge()
  const isRenaming = useCanvas((state) => state.renaming === id)
  if (!isRenaming) {
    return (
      // biome-ignore lint/a11y/noStaticElementInteractions: F2 does the same from the keyboard
      <span
        className="ff-title"
        title={`${title} (${id})`}
        onDoubleClick={(event) => {
          event.stopPropagation()
          store.setState({ renaming: id })
        }}
      >
        {title}
      </span>
    )
  }
  const commit = (text: string) => {
    if (store.getState().renaming !== id) return
    store.setState({ renaming: null })
    if (text !== title) editing.rename(id, text)
  }
  return (
    <input
      className="ff-title nodrag"
      aria-label="Title"
      defaultValue={title}
      ref={(field) => field?.select()}
      onBlur={(event) => commit(event.currentTarget.value)}
      onKeyDown={(event) => {
        event.stopPropagation()
        if (event.key === "Enter") commit(event.currentTarget.value)
        if (event.key === "Escape") store.setState({ renaming: null })
      }}
    />
  )
}
