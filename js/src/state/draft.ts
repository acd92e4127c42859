/** Mutable draft of a document: copies each collection once per step, however many edits the step has. */

import type { Document, FlowNode, Look } from "./document"

export class DocumentDraft {
  #document: Document
  #ownNodes: Map<string, FlowNode> | null = null
  #ownLooks: Map<string, Look> | null = null

  constructor(document: Document) {
    this.#document = document
  }

  get document(): Document {
    return this.#document
  }

  set(changed: Partial<Document>): void {
    this.#document = { ...this.#document, ...changed }
  }

  /** Replaces all nodes with a map that the draft may modify. */
  nodes(nodes: Map<string, FlowNode>): void {
    this.#ownNodes = nodes
    this.set({ nodes })
  }

  looks(looks: Map<string, Look>): void {
    this.#ownLooks = looks
    this.set({ looks })
  }

  /** The nodes as a map that the caller may modify. */
  ownNodes(): Map<string, FlowNode> {
    if (this.#ownNodes === null) this.nodes(new Map(this.#document.nodes))
    return this.#ownNodes as Map<string, FlowNode>
  }

  ownLooks(): Map<string, Look> {
    if (this.#ownLooks === null) this.looks(new Map(this.#document.looks))
    return this.#ownLooks as Map<string, Look>
  }
}
