/** Files of the user as nodes: which node types hold them, where they fit, and the edits that place them. */

import type { NodeType } from "../wire/catalog"
import type { Edit, JsonObject } from "../wire/flow"
import type { ResultCell } from "../wire/run"
import type { Document, FlowEdge, FlowNode } from "./document"
import { newNodeId } from "./node-ids"
import { type Catalog, compatiblePorts, inputOf, isPortCompatible, replacedEdge } from "./ports"
import type { Point } from "./store"

export type FileKind = "image" | "video" | "audio"

/** Target of a file: a new node, an existing file node, or a port, fed by a new node. */
export type FileTarget =
  | { kind: "place"; at: Point }
  | { kind: "replace"; nodeId: string }
  | { kind: "port"; nodeId: string; port: string; at: Point }

const MEDIA_TYPES: Record<string, string> = {
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

/** The media type from the browser, else from the file extension; empty if unknown. */
export const mediaTypeOf = (name: string, type: string): string =>
  type.split(";")[0]?.trim().toLowerCase() || (MEDIA_TYPES[name.split(".").pop()?.toLowerCase() ?? ""] ?? "")

/** The asset of a result as file nodes store it; null for plain values and incomplete results. */
export function assetOf(cell: ResultCell | null): JsonObject | null {
  if (!cell?.sha256 || !cell.media_type || cell.size_bytes === undefined) return null
  const asset: JsonObject = { sha256: cell.sha256, media_type: cell.media_type, size_bytes: cell.size_bytes }
  for (const name of ["width", "height", "duration_s"] as const) if (cell[name] != null) asset[name] = cell[name]
  return asset
}

/** Returns null if the media type is not image, video or audio. */
export function fileKind(mediaType: string): FileKind | null {
  const family = mediaType.split("/")[0]
  return family === "image" || family === "video" || family === "audio" ? family : null
}

/** The kind of file that nodes of this type hold; null for other types. */
export function fileKindOf(type: NodeType | undefined): FileKind | null {
  const output = type?.outputs[0]?.type
  const isFile = type?.name === `load_${output}`
  return isFile && (output === "image" || output === "video" || output === "audio") ? output : null
}

/** The file of a file node as a result cell. The kernel sends it only after it has planned. */
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

/** Why a file does not fit the target; null if it fits. */
export function fileMismatch(document: Document, catalog: Catalog, kind: FileKind, target: FileTarget): string | null {
  if (!catalog.has(`load_${kind}`)) return `This flow does not support ${kind} files.`
  if (target.kind === "place") return null
  const node = document.nodes.get(target.nodeId)
  if (!node) return "The node no longer exists."
  const type = catalog.get(node.type)
  if (target.kind === "replace") {
    const holds = fileKindOf(type)
    return holds === kind ? null : `${node.id} holds ${withArticle(holds ?? "nothing")}, this is ${withArticle(kind)}.`
  }
  const port = inputOf(type, target.port)
  return port && isPortCompatible(port.type, kind)
    ? null
    : `${target.port} takes ${port?.type ?? "nothing"}, this is ${withArticle(kind)}.`
}

const withArticle = (kind: string): string =>
  kind === "audio" ? "sound" : /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`

/** Target of a file dropped on a node: the node itself, or its best free port; null if none fits. */
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
  const isFree = (port: string) => !document.edges.some((edge) => edge.target === node.id && edge.targetHandle === port)
  const port = compatiblePorts(type, { type: kind, side: "source" }).find(isFree)
  return port === undefined ? null : { kind: "port", nodeId: node.id, port, at }
}

/** The edits that place a stored file, and the id of the node that holds it. One undo step. */
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

/** Formats a file size: `3.2 MB`. */
export const formatMegabytes = (bytes: number): string =>
  bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
