/** Notices: refused actions, file conflicts and a disconnected kernel. */

import { useBridge, useCanvas } from "../bridge/context"
import { FileConflict } from "./file"

export function Notices() {
  const { store } = useBridge()
  const notice = useCanvas((state) => state.notice)
  const isDisconnected = useCanvas((state) => state.isDisconnected)
  const isReady = useCanvas((state) => state.isReady)
  return (
    <div className="ff-notices" aria-live="polite">
      {isDisconnected && (
        <p className="ff-notice is-warn">
          {isReady ? "Kernel disconnected. Run this cell to reconnect; your work is kept." : "Waiting for the kernel…"}
        </p>
      )}
      <FileConflict />
      {notice && (
        <p className={`ff-notice is-${notice.tone}`}>
          {notice.text}
          <button type="button" className="ff-icon" aria-label="Close" onClick={() => store.setState({ notice: null })}>
            ✕
          </button>
        </p>
      )}
    </div>
  )
}
