/** File of the flow: save state, file menu and conflicts. Also toggles full height and full screen. */

import { type Bridge, useBridge, useCanvas } from "../bridge/context"
import type { FileFacts } from "../wire/messages"
import { Dialog } from "./dialog"
import { MenuRows } from "./menu-rows"
import { showPython } from "./source"

export function FileButton() {
  const { store } = useBridge()
  const file = useCanvas((state) => state.file)
  const isPending = useCanvas((state) => state.shared.pending.length > 0)
  const isOpen = useCanvas((state) => state.panel?.kind === "file")
  return (
    <button
      type="button"
      className="ff-button ff-saved"
      aria-haspopup="menu"
      aria-expanded={isOpen}
      data-tone={file.error ? "bad" : undefined}
      title={[file.path ?? "This flow has no file yet", file.error?.message, file.error?.hint]
        .filter(Boolean)
        .join("\n")}
      onClick={() => store.setState({ panel: { kind: "file" } })}
    >
      {isPending ? "saving…" : saveStatus(file)} <span aria-hidden="true">▾</span>
    </button>
  )
}

function saveStatus({ saved_at_us: savedAtUs, path, is_conflicting: isConflicting, error }: FileFacts): string {
  if (isConflicting) return "changed on disk"
  if (error) return "save failed"
  if (savedAtUs === null) return path === null ? "no file yet" : "not saved yet"
  const time = new Date(savedAtUs / 1000)
  return `saved ${time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })}`
}

const fileOf = (bridge: Bridge) => bridge.store.getState().file

/** Save the flow to its file. */
export const saveFlow = ({ session }: Bridge, how: "save" | "reload" | "keep_mine" | "copy" = "save") =>
  void session.requestOrNotify({ type: "save", how })

export function FileMenu() {
  const bridge = useBridge()
  const hasFile = fileOf(bridge).path !== null
  const holder = holderOf(bridge)
  return (
    <Dialog label="Flow and view" className="ff-menu ff-file-menu">
      <MenuRows
        rows={[
          { label: hasFile ? "Save" : "Save next to the notebook", keys: "Ctrl S", run: () => saveFlow(bridge) },
          { label: "Save a copy", isDisabled: !hasFile, run: () => saveFlow(bridge, "copy") },
          { label: "Show as Python", keys: "P", run: () => void showPython(bridge) },
          null,
          {
            label: holder?.dataset.tall === undefined ? "Full height" : "Default height",
            keys: "H",
            run: () => toggleFullHeight(bridge),
          },
          {
            label: isFull(bridge) ? "Exit full screen" : "Full screen",
            keys: "⇧F",
            run: () => toggleFullScreen(bridge),
          },
        ]}
      />
    </Dialog>
  )
}

/** Another process changed the file: saving is paused until the user chooses a version. */
export function FileConflict() {
  const bridge = useBridge()
  const file = useCanvas((state) => state.file)
  if (!file.is_conflicting) return null
  const name = file.path?.split("/").pop() ?? "The file"
  return (
    <div className="ff-notice is-warn ff-conflict" role="alert">
      <span>
        <b>{name}</b> was changed on disk. Saving is paused until you choose a version.
      </span>
      <button type="button" className="ff-button is-plain" onClick={() => saveFlow(bridge, "reload")}>
        Reload
      </button>
      <button type="button" className="ff-button is-plain" onClick={() => saveFlow(bridge, "keep_mine")}>
        Keep mine
      </button>
      <button type="button" className="ff-button is-plain" onClick={() => saveFlow(bridge, "copy")}>
        Save a copy
      </button>
    </div>
  )
}

const holderOf = ({ root }: Bridge): HTMLElement | null => root.current?.closest<HTMLElement>(".ff-holder") ?? null

/** Toggle between the height of the window and the default height. */
export function toggleFullHeight(bridge: Bridge): void {
  const holder = holderOf(bridge)
  if (!holder) return
  if (holder.dataset.tall === undefined) {
    holder.dataset.tall = ""
    holder.scrollIntoView({ block: "nearest" })
  } else delete holder.dataset.tall
}

const isFull = (bridge: Bridge): boolean => {
  const holder = holderOf(bridge)
  return holder !== null && (document.fullscreenElement === holder || holder.dataset.full !== undefined)
}

/** Toggle full screen; if the browser refuses it, fill the window instead. */
export function toggleFullScreen(bridge: Bridge): void {
  const holder = holderOf(bridge)
  if (!holder) return
  if (document.fullscreenElement === holder) void document.exitFullscreen()
  else if (holder.dataset.full !== undefined) delete holder.dataset.full
  else {
    const fill = () => {
      holder.dataset.full = ""
    }
    if (holder.requestFullscreen) holder.requestFullscreen().catch(fill)
    else fill()
  }
}
