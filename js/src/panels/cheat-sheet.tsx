/** All keys, from the same table that handles them. */

import { Dialog } from "./dialog"
import type { ShortcutLine } from "./panels"

const SYMBOLS: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  Delete: "Del",
}

export function CheatSheet({ keys }: { keys: readonly ShortcutLine[] }) {
  const isMac = navigator.platform.startsWith("Mac")
  const groups = [...new Set(keys.map((one) => one.group))]
  const shown = (part: string) => (part === "Mod" ? (isMac ? "⌘" : "Ctrl") : (SYMBOLS[part] ?? part))
  return (
    <Dialog label="All keys" className="ff-keys is-centered">
      {groups.map((group) => (
        <section key={group}>
          <h2>{group}</h2>
          <dl>
            {keys
              .filter((one) => one.group === group)
              .map((one) => (
                <div key={one.keys}>
                  <dt>
                    {(one.keys === "+" ? ["+"] : one.keys.split("+")).map((part) => (
                      <kbd key={part}>{shown(part)}</kbd>
                    ))}
                  </dt>
                  <dd>{one.label}</dd>
                </div>
              ))}
          </dl>
        </section>
      ))}
    </Dialog>
  )
}
