/** Panel that shows Python or SQL source to copy into the notebook. */

import { useState } from "react"
import type { Bridge } from "../bridge/context"
import { useBridge } from "../bridge/context"
import type { Panel } from "../state/store"
import { Dialog } from "./dialog"

export function SourcePanel({ panel }: { panel: Extract<Panel, { kind: "source" }> }) {
  const { store } = useBridge()
  const [isCopied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard?.writeText(panel.source)
    setCopied(true)
  }
  return (
    <Dialog label={panel.title} className="ff-source is-centered">
      <h2>{panel.title}</h2>
      <p className="ff-muted">{panel.text}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable with the keyboard */}
      <pre tabIndex={0} className="nowheel">
        {panel.source}
      </pre>
      <div className="ff-buttons">
        <button type="button" className="ff-button is-plain" onClick={() => store.setState({ panel: null })}>
          Close
        </button>
        <button type="button" className="ff-button is-primary" onClick={() => void copy()}>
          {isCopied ? "Copied ✓" : "Copy"}
        </button>
      </div>
    </Dialog>
  )
}

/** Show Python code that rebuilds the flow. */
export async function showPython({ session, store }: Bridge): Promise<void> {
  const reply = await session.requestOrNotify({ type: "ask", what: "python" })
  if (!reply) return
  const text = "Paste this into a cell to rebuild this flow without the canvas."
  store.setState({ panel: { kind: "source", title: "Flow as Python", text, source: reply.python } })
}

/** Show a SQL cell that queries the tape for this flow. */
export async function showSql({ session, store }: Bridge): Promise<void> {
  const reply = await session.requestOrNotify({ type: "ask_in_sql" })
  if (!reply) return
  const text = "Paste this into a cell and run it. The tape holds every generation of all flows."
  store.setState({ panel: { kind: "source", title: "Query the tape in SQL", text, source: reply.source } })
}
