/** List of keyboard shortcuts, generated from the table that handles them. */

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
  const groups = [...new Set(keys.map((shortcut) => shortcut.group))]
  const keyLabel = (part: string) => (part === "Mod" ? (isMac ? "⌘" : "Ctrl") : (SYMBOLS[part] ?? part))
  return (
    <Dialog label="Keyboard shortcuts" className="ff-keys is-centered">
      {groups.map((group) => (
        <section key={group}>
          <h2>{group}</h2>
          <dl>
            {keys
              .filter((shortcut) => shortcut.group === group)
              .map((shortcut) => (
                <div key={shortcut.keys}>
                  <dt>
                    {(shortcut.keys === "+" ? ["+"] : shortcut.keys.split("+")).map((part) => (
                      <kbd key={part}>{keyLabel(part)}</kbd>
                    ))}
                  </dt>
                  <dd>{shortcut.label}</dd>
                </div>
              ))}
          </dl>
        </section>
      ))}
    </Dialog>
  )
}
