/** Ids of new nodes: `<type>_<n>`, with the next free number after the highest. */

import type { Document } from "./document"

export function newNodeId(document: Document, type: string, taken: ReadonlySet<string> = new Set()): string {
  const clean = type.replace(/[^A-Za-z0-9_]/g, "_")
  const stem = /^[A-Za-z_]/.test(clean) ? clean : `_${clean}`
  let highest = 0
  for (const id of [...document.nodes.keys(), ...taken]) {
    const match = /^(.+)_([0-9]{1,15})$/.exec(id)
    if (match?.[1] === stem) highest = Math.max(highest, Number(match[2]))
  }
  return `${stem}_${highest + 1}`
}
