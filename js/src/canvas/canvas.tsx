/** The canvas itself: React Flow with our nodes and edges, and the panels around it. */

import {
  Background,
  type EdgeChange,
  MiniMap,
  type NodeChange,
  ReactFlow,
  useStore as useFlowStore,
  useReactFlow,
  type Viewport,
} from "@xyflow/react"
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react"
import { type Bridge, useBridge, useCanvas } from "../bridge/context"
import { MaskPanel } from "../mask/mask-panel"
import { NodeCard } from "../nodes/node-card"
import { CommentNode, GroupNode } from "../nodes/notes"
import { dropFrame } from "../panels/drop-frame"
import { dropNodeType } from "../panels/palette"
import { Panels } from "../panels/panels"
import { CompareBar } from "../viewer/compare-bar"
import { Viewer } from "../viewer/viewer"
import { useClipboard } from "./clipboard"
import { ConnectionHint, useConnectHandlers } from "./connect-handlers"
import { DropHint } from "./drop-hint"
import { FlowEdge } from "./edge"
import { fileDropHandlers } from "./file-drop"
import { useFlowEdges, useFlowNodes } from "./flow-nodes"
import { isTyping, KEY_BINDINGS, keyCombination, viewportCenter } from "./key-bindings"
import { AlignmentGuides, useNodeDrag } from "./node-drag"
import { OVERVIEW_MIN_NODES, OVERVIEW_ZOOM, Overview } from "./overview"
import { UploadPlaceholders } from "./uploads"
import { fittedViewport, fitView, MAX_ZOOM, MIN_ZOOM } from "./viewport"

const EMPTY: never[] = []
const nodeTypes = { card: NodeCard, group: GroupNode, comment: CommentNode }
const edgeTypes = { flow: FlowEdge }
/** React Flow computes the map from these. */
const MAP = { width: 176, height: 108 }
const SNAP: [number, number] = [8, 8]
const mapClass = (node: { type?: string }) => `is-${node.type}`
/** A map of more would cost more than it shows. */
const MAX_MINIMAP_NODES = 1500

export function Canvas() {
  const bridge = useBridge()
  const { store, editing } = bridge
  const flow = useReactFlow()
  const nodes = useFlowNodes()
  const edges = useFlowEdges()
  const { isValidConnection, onConnect, onConnectEnd } = useConnectHandlers()
  const isMapOpen = useCanvas((state) => {
    const { size } = state.shared.document.nodes
    return state.isMapOpen && size > 0 && size <= MAX_MINIMAP_NODES
  })
  const isTapeOpen = useCanvas((state) => state.isTapeOpen)
  const dragging = useNodeDrag()
  useClipboard()
  const first = useFirstView()
  const [isStarted, setStarted] = useState(false)
  const zoomed = useFlowStore((state) => state.transform[2] < OVERVIEW_ZOOM)
  const isMany = useCanvas((state) => state.shared.document.nodes.size > OVERVIEW_MIN_NODES)
  const isFar = isMany && (isStarted ? zoomed : (first?.zoom ?? 1) < OVERVIEW_ZOOM)
  useFocusTarget()
  useFitAfterFirstNodes(bridge)

  const { onMoved } = dragging
  const onNodesChange = useCallback(
    (changes: NodeChange[]) => {
      const selection = new Set(store.getState().selection)
      let isSelecting = false
      for (const change of changes) {
        if (change.type !== "select") continue
        isSelecting = true
        if (change.selected) selection.add(change.id)
        else selection.delete(change.id)
      }
      if (isSelecting) store.setState({ selection })
      onMoved(changes)
    },
    [store, onMoved],
  )

  const onEdgesChange = useCallback(
    (changes: EdgeChange[]) => {
      const edgeSelection = new Set(store.getState().edgeSelection)
      for (const change of changes) {
        if (change.type !== "select") continue
        if (change.selected) edgeSelection.add(change.id)
        else edgeSelection.delete(change.id)
      }
      store.setState({ edgeSelection })
    },
    [store],
  )

  const keys = (event: React.KeyboardEvent) => {
    event.stopPropagation() // nothing leaks into the notebook
    if (event.defaultPrevented || isTyping(event.target)) return
    if ((event.target as HTMLElement).closest("[role=dialog], .ff-pop")) return
    const name = keyCombination(event.nativeEvent)
    const key = KEY_BINDINGS.find((one) => one.keys === name)
    if (!key?.run) return
    // Tab walks through what can be focused; only on the canvas itself it adds a node.
    if (name === "Tab" && event.target !== bridge.root.current) return
    event.preventDefault()
    key.run(bridge, flow)
  }

  const openAt = (event: React.MouseEvent, nodeId: string | null) => {
    event.preventDefault()
    const frame = bridge.root.current?.getBoundingClientRect()
    if (nodeId && !store.getState().selection.has(nodeId)) editing.select([nodeId])
    const at = { x: event.clientX - (frame?.left ?? 0), y: event.clientY - (frame?.top ?? 0) }
    store.setState({ panel: { kind: "menu", at, nodeId } })
  }

  const onDoubleClick = (event: React.MouseEvent) => {
    if (!(event.target as HTMLElement).classList.contains("react-flow__pane")) return
    const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY })
    store.setState({ panel: { kind: "palette", at, loose: null } })
  }

  const files = fileDropHandlers(bridge, flow)
  const onDrop = (event: React.DragEvent) => {
    if (files.drop(event)) return
    const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY })
    if (dropNodeType(bridge, event.dataTransfer, at) || dropFrame(bridge, event.dataTransfer, at))
      event.preventDefault()
  }

  return (
    <div
      ref={(element) => {
        bridge.root.current = element
      }}
      className={`ff-root${isTapeOpen ? " has-tape" : ""}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: keys need a place to go to
      tabIndex={0}
      role="application"
      aria-label="Flow canvas. Press ? for all keys."
      data-lm-suppress-shortcuts="true"
      onKeyDown={keys}
      onKeyUp={(event) => event.stopPropagation()}
      onDoubleClick={onDoubleClick}
      onDragOver={files.over}
      onDragLeave={files.leave}
      onPointerMoveCapture={dragging.onPointerMove}
      onDrop={onDrop}
    >
      {first && (
        <ReactFlow
          nodes={isFar ? EMPTY : nodes}
          edges={isFar ? EMPTY : edges}
          nodeTypes={nodeTypes}
          edgeTypes={edgeTypes}
          onInit={(instance) => {
            bridge.flow.current = instance
            setStarted(true)
          }}
          onNodesChange={onNodesChange}
          onEdgesChange={onEdgesChange}
          onNodeDragStart={dragging.begin}
          onNodeDragStop={dragging.end}
          onSelectionDragStart={dragging.begin}
          onSelectionDragStop={dragging.end}
          onConnect={onConnect}
          onConnectEnd={onConnectEnd}
          isValidConnection={isValidConnection}
          onPaneClick={() => {
            store.setState({ panel: null })
            bridge.root.current?.focus({ preventScroll: true })
          }}
          onPaneContextMenu={(event) => openAt(event as React.MouseEvent, null)}
          onNodeContextMenu={(event, node) => openAt(event, node.id)}
          onlyRenderVisibleElements
          defaultViewport={first}
          minZoom={MIN_ZOOM}
          maxZoom={MAX_ZOOM}
          snapToGrid={!dragging.isFree}
          snapGrid={SNAP}
          zoomOnDoubleClick={false}
          deleteKeyCode={null}
          selectionKeyCode="Shift"
          multiSelectionKeyCode={["Shift", "Meta", "Control"]}
          connectionRadius={28}
          nodeDragThreshold={2}
          elevateNodesOnSelect
          proOptions={{ hideAttribution: true }}
        >
          <Background gap={22} size={1.4} />
          <UploadPlaceholders />
          <AlignmentGuides />
          {isMapOpen && !isFar && (
            <MiniMap
              style={MAP}
              pannable
              zoomable
              nodeBorderRadius={14}
              maskStrokeWidth={2}
              ariaLabel="Map of the flow"
              nodeClassName={mapClass}
              position="bottom-right"
            />
          )}
        </ReactFlow>
      )}
      {isFar && <Overview />}
      <ConnectionHint />
      <DropHint />
      <Panels viewCenter={() => viewportCenter(bridge, flow)} keys={KEY_BINDINGS} />
      <MaskPanel />
      <CompareBar />
      <Viewer viewCenter={() => viewportCenter(bridge, flow)} />
    </div>
  )
}

/** Where the view stands when the flow first comes; null until it has come and its nodes have places. */
function useFirstView(): Viewport | null {
  const bridge = useBridge()
  const isPlaced = useCanvas(({ isReady, layering, shared: { document } }) => {
    return isReady && (layering !== null || document.looks.size >= document.nodes.size)
  })
  const [first, setFirst] = useState<Viewport | null>(null)
  useLayoutEffect(() => {
    if (isPlaced) setFirst((known) => known ?? fittedViewport(bridge) ?? { x: 0, y: 0, zoom: 1 })
  }, [isPlaced, bridge])
  return first
}

/** Show all of what an empty canvas was filled with: a template, or a flow that was pasted. */
function useFitAfterFirstNodes(bridge: Bridge): void {
  const flow = useReactFlow()
  const isEmpty = useCanvas((state) => state.isReady && state.shared.document.nodes.size === 0)
  const wasEmpty = useRef(isEmpty)
  useEffect(() => {
    if (wasEmpty.current && !isEmpty && bridge.store.getState().shared.document.nodes.size > 1) fitView(bridge, flow)
    wasEmpty.current = isEmpty
  }, [isEmpty, bridge, flow])
}

/** Bring a node into view that was looked for, and put the focus on it. */
function useFocusTarget(): void {
  const { store, editing, root } = useBridge()
  const flow = useReactFlow()
  const focusTarget = useCanvas((state) => state.focusTarget)
  useEffect(() => {
    if (focusTarget === null) return
    store.setState({ focusTarget: null })
    const [rect] = editing.rects([focusTarget])
    if (!rect) return
    const zoom = Math.max(0.5, flow.getZoom())
    void flow.setCenter(rect.x + rect.width / 2, rect.y + rect.height / 2, { zoom, duration: 160 })
    const timer = setTimeout(
      () => root.current?.querySelector<HTMLElement>(`[data-id="${focusTarget}"]`)?.focus({ preventScroll: true }),
      200,
    )
    return () => clearTimeout(timer)
  }, [focusTarget, store, editing, flow, root])
}
