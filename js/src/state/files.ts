/** Files of a person's own as nodes: which node types hold them, which fit where, and the edits that place them. */

import type { NodeType } from "../wire/catalog"
import type { Edit, JsonObject } from "../wire/flow"
import type { ResultCell } from "../wire/run"
import type { Document, FlowEdge, FlowNode } from "./document"
import { newNodeId } from "./node-ids"
import { type Catalog, compatiblePorts, inputOf, isPortCompatible, replacedEdge } from "./ports"
import type { Point } from "./store"

export type FileKind = "image" | "video" | "audio"

/** Where a file goes: a new node, into a node that holds one, or into a port by a new node before it. */
export type FileTarget =
  | { kind: "place"; at: Point }
  | { kind: "replace"; nodeId: string }
  | { kind: "port"; nodeId: string; port: string; at: Point }

const BY_EXTENSION: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  avif: "image/avif",
  mp4: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  mkv: "video/x-matroska",
  wav: "audio/wav",
  mp3: "audio/mpeg",
  m4a: "audio/mp4",
  ogg: "audio/ogg",
  flac: "audio/flac",
}

/** Browsers know most types; of the rest the extension tells. Empty: nobody knows. */
export const mediaTypeOf = (name: string, type: string): string =>
  type.split(";")[0]?.trim().toLowerCase() || (BY_EXTENSION[name.split(".").pop()?.toLowerCase() ?? ""] ?? "")

/** The asset of a result, as file nodes hold it; null where it is a value, or too little is known. */
export function assetOf(cell: ResultCell | null): JsonObject | null {
  if (!cell?.sha256 || !cell.media_type || cell.size_bytes === undefined) return null
  const asset: JsonObject = { sha256: cell.sha256, media_type: cell.media_type, size_bytes: cell.size_bytes }
  for (const name of ["width", "height", "duration_s"] as const) if (cell[name] != null) asset[name] = cell[name]
  return asset
}

/** Null: neither picture, video nor sound. */
export function fileKind(mediaType: string): FileKind | null {
  const family = mediaType.split("/")[0]
  return family === "image" || family === "video" || family === "audio" ? family : null
}

/** What a node of this type holds, where it holds a file. */
export function fileKindOf(type: NodeType | undefined): FileKind | null {
  const output = type?.outputs[0]?.type
  const isFile = type?.name === `load_${output}`
  return isFile && (output === "image" || output === "video" || output === "audio") ? output : null
}

/** What a file node holds, as a result: the kernel says it only after it has planned. */
export function fileCell(node: FlowNode, type: NodeType | undefined): ResultCell | null {
  const kind = fileKindOf(type)
  const asset = node.params.asset as JsonObject | null | undefined
  if (kind === null || typeof asset?.sha256 !== "string") return null
  const number = (name: string) => (typeof asset[name] === "number" ? asset[name] : null)
  return {
    port: kind,
    coordinate: [],
    sha256: asset.sha256,
    media_type: String(asset.media_type ?? ""),
    width: number("width"),
    height: number("height"),
    duration_s: number("duration_s"),
    size_bytes: number("size_bytes") ?? undefined,
  }
}

/** Why a file cannot go there; null if it can. */
export function fileMismatch(document: Document, catalog: Catalog, kind: FileKind, target: FileTarget): string | null {
  if (!catalog.has(`load_${kind}`)) return `This flow knows no ${kind} files.`
  if (target.kind === "place") return null
  const node = document.nodes.get(target.nodeId)
  if (!node) return "The node is gone."
  const type = catalog.get(node.type)
  if (target.kind === "replace") {
    const holds = fileKindOf(type)
    return holds === kind ? null : `${node.id} holds ${a(holds ?? "nothing")}, this is ${a(kind)}.`
  }
  const port = inputOf(type, target.port)
  return port && isPortCompatible(port.type, kind)
    ? null
    : `${target.port} takes ${port?.type ?? "nothing"}, this is ${a(kind)}.`
}

const a = (kind: string): string => (kind === "audio" ? "sound" : /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`)

/** Where a file goes that is dropped on a node: into it, or to its best port that is free; null where none fits. */
export function fileTargetOnNode(
  document: Document,
  catalog: Catalog,
  kind: FileKind,
  node: FlowNode,
  at: Point,
): FileTarget | null {
  const type = catalog.get(node.type)
  if (!type) return null
  if (fileKindOf(type) !== null) return { kind: "replace", nodeId: node.id }
  const isFree = (port: string) => !document.edges.some((one) => one.target === node.id && one.targetHandle === port)
  const port = compatiblePorts(type, { type: kind, side: "source" }).find(isFree)
  return port === undefined ? null : { kind: "port", nodeId: node.id, port, at }
}

/** The edits that put a stored file where it goes, and the node that holds it then. One step to undo. */
export function fileEdits(
  document: Document,
  catalog: Catalog,
  file: { kind: FileKind; asset: JsonObject; name: string },
  target: FileTarget,
): { edits: Edit[]; id: string } {
  const { kind, asset, name } = file
  if (target.kind === "replace") {
    const id = target.nodeId
    const set = (field: string, value: JsonObject | string): Edit => ({
      kind: "set_param",
      node_id: id,
      name: field,
      value,
    })
    return { edits: [set("asset", asset), set("name", name)], id }
  }
  const type = `load_${kind}`
  const id = newNodeId(document, type)
  const layout = { x: Math.round(target.at.x), y: Math.round(target.at.y) }
  const edits: Edit[] = [{ kind: "add_node", node: { id, type, params: { asset, name } }, layout }]
  if (target.kind === "port") {
    const edge: FlowEdge = { source: id, sourceHandle: kind, target: target.nodeId, targetHandle: target.port }
    const old = replacedEdge(document, catalog, edge)
    if (old) edits.push({ kind: "remove_edge", edge: old })
    edits.push({ kind: "add_edge", edge })
  }
  return { edits, id }
}

/** Bytes as people say them: `3.2 MB`. */
export const formatMegabytes = (bytes: number): string =>
  bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
