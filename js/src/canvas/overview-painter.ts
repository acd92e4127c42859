/** Painting of the overview: edges, blocks in the color of their type, thumbnails and states. */

import { bytesKey, type MediaBytes, offeredUrl } from "../bridge/bytes"
import type { Bridge } from "../bridge/context"
import { isRunning } from "../state/card"
import type { NodeLayout } from "../state/node-layout"
import { notesOf } from "../state/notes"
import type { CanvasState } from "../state/store"
import type { ResultCell } from "../wire/run"

export type ThumbnailLoader = (cell: ResultCell) => HTMLImageElement | null

const MAX_THUMBNAILS = 2000

/** Load thumbnails on first use; calls `onLoad` after each one. */
export function createThumbnailLoader(bytes: MediaBytes, onLoad: () => void): ThumbnailLoader {
  const thumbnails = new Map<string, HTMLImageElement>()
  const load = (cell: ResultCell): HTMLImageElement => {
    const image = new Image()
    image.crossOrigin = "anonymous"
    image.onload = onLoad
    const show = (url: string) => {
      image.src = url
    }
    // Without a thumbnail the node stays a block of color.
    const ignore = () => undefined
    image.onerror = () => {
      image.onerror = null
      bytes.refreshUrl(cell, "preview", image.src).then(show, ignore)
    }
    bytes.resolveUrl(cell, "preview").then(show, ignore)
    return image
  }
  return (cell) => {
    const key = bytesKey(cell, "preview")
    let image = thumbnails.get(key)
    if (!image) {
      if (thumbnails.size >= MAX_THUMBNAILS) thumbnails.clear()
      image = load(cell)
      thumbnails.set(key, image)
    }
    return image.complete && image.naturalWidth > 0 ? image : null
  }
}

interface View {
  x: number
  y: number
  zoom: number
}

export function paintOverview(canvas: HTMLCanvasElement, bridge: Bridge, view: View, images: ThumbnailLoader): void {
  const { clientWidth: width, clientHeight: height } = canvas
  if (width === 0 || height === 0) return // hidden, for example while JupyterLab switches its theme
  const ratio = Math.min(2, devicePixelRatio)
  if (canvas.width !== width * ratio || canvas.height !== height * ratio) {
    canvas.width = width * ratio
    canvas.height = height * ratio
  }
  const context = canvas.getContext("2d")
  if (!context) return
  const style = getComputedStyle(canvas)
  const color = (name: string) => style.getPropertyValue(`--ff-${name}`)
  const state = bridge.store.getState()
  const layouts = bridge.derived.layouts(state)
  const positions = nodePositions(bridge, state, layouts)
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, width, height)
  const isVisible = (x: number, y: number, w: number, h: number) => x + w > 0 && y + h > 0 && x < width && y < height

  for (const group of notesOf(state.shared.document, "group")) {
    const at = state.dragged.get(group.id) ?? group
    const [x, y] = [at.x * view.zoom + view.x, at.y * view.zoom + view.y]
    const [w, h] = [group.width * view.zoom, group.height * view.zoom]
    if (!isVisible(x, y, w, h)) continue
    context.fillStyle = `${group.color}2e`
    context.fillRect(x, y, w, h)
    if (w < 60) continue
    context.fillStyle = color("ink2")
    context.font = "600 12px system-ui, sans-serif"
    context.fillText(group.text, x + 6, y - 5, w)
  }

  context.lineWidth = 1
  context.strokeStyle = color("line2")
  context.beginPath()
  for (const edge of state.shared.document.edges) {
    const [from, to] = [positions.get(edge.source), positions.get(edge.target)]
    const fromBox = layouts.get(edge.source)
    if (!from || !to || !fromBox) continue
    const [x1, y1] = [from.x + fromBox.width, from.y + 56].map(
      (coordinate, i) => coordinate * view.zoom + (i ? view.y : view.x),
    ) as [number, number]
    const [x2, y2] = [to.x * view.zoom + view.x, (to.y + 56) * view.zoom + view.y]
    if (!isVisible(Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1) + 1, Math.abs(y2 - y1) + 1)) continue
    context.moveTo(x1, y1)
    context.lineTo(x2, y2)
  }
  context.stroke()

  const colors = new Map<string, string>()
  for (const [id, box] of layouts) {
    const at = positions.get(id)
    if (!at) continue
    const [x, y] = [at.x * view.zoom + view.x, at.y * view.zoom + view.y]
    const [w, h] = [box.width * view.zoom, box.height * view.zoom]
    if (!isVisible(x, y, w, h)) continue
    const card = bridge.derived.card(state, id)
    const type = card?.facts.type?.outputs[0]?.type ?? "json"
    if (!colors.has(type)) colors.set(type, color(type))
    context.globalAlpha = card?.facts.node.isMuted ? 0.3 : 0.75
    context.fillStyle = colors.get(type) ?? ""
    context.fillRect(x, y, w, h)
    context.globalAlpha = 1
    const resultCell = card?.cells[0]?.cell
    const image = resultCell && h > 8 && offeredUrl(resultCell, "preview") ? images(resultCell) : null
    if (image) drawCover(context, image, x + 1, y + 1, w - 2, h - 2)
    const isActive = card && isRunning(card.facts)
    if (isActive || state.selection.has(id)) {
      context.lineWidth = 2
      context.strokeStyle = color(isActive ? "run" : "accent")
      context.strokeRect(x - 1, y - 1, w + 2, h + 2)
    }
  }
}

function drawCover(
  context: CanvasRenderingContext2D,
  image: HTMLImageElement,
  x: number,
  y: number,
  w: number,
  h: number,
): void {
  const scale = Math.max(w / image.naturalWidth, h / image.naturalHeight)
  const [sw, sh] = [w / scale, h / scale]
  context.drawImage(image, (image.naturalWidth - sw) / 2, (image.naturalHeight - sh) / 2, sw, sh, x, y, w, h)
}

function nodePositions(bridge: Bridge, state: CanvasState, layouts: ReadonlyMap<string, NodeLayout>) {
  const { looks } = state.shared.document
  const autoPositions = bridge.derived.autoPositions(state)
  const positions = new Map<string, { x: number; y: number }>()
  for (const id of layouts.keys()) {
    const at = state.dragged.get(id) ?? looks.get(id) ?? autoPositions.get(id)
    if (at) positions.set(id, at)
  }
  return positions
}
