/** Root component: React Flow with the node and edge types, and the panels around it. */

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
/** Pixels; React Flow computes the minimap from them. */
const MINIMAP_SIZE = { width: 176, height: 108 }
const SNAP_GRID: [number, number] = [8, 8]
const minimapNodeClass = (node: { type?: string }) => `is-${node.type}`
/** Above this count the minimap is too slow and too dense to be useful. */
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
  const initialViewport = useInitialViewport()
  const [isStarted, setStarted] = useState(false)
  const isZoomedOut = useFlowStore((state) => state.transform[2] < OVERVIEW_ZOOM)
  const isMany = useCanvas((state) => state.shared.document.nodes.size > OVERVIEW_MIN_NODES)
  const isOverview = isMany && (isStarted ? isZoomedOut : (initialViewport?.zoom ?? 1) < OVERVIEW_ZOOM)
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

  const onKeyDown = (event: React.KeyboardEvent) => {
    event.stopPropagation() // keep key presses from the notebook
    if (event.defaultPrevented || isTyping(event.target)) return
    if ((event.target as HTMLElement).closest("[role=dialog], .ff-pop")) return
    const combination = keyCombination(event.nativeEvent)
    const shortcut = KEY_BINDINGS.find((binding) => binding.keys === combination)
    if (!shortcut?.run) return
    // Tab adds a node only if the canvas itself has the focus; elsewhere it moves the focus.
    if (combination === "Tab" && event.target !== bridge.root.current) return
    event.preventDefault()
    shortcut.run(bridge, flow)
  }

  const openContextMenu = (event: React.MouseEvent, nodeId: string | null) => {
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
      // biome-ignore lint/a11y/noNoninteractiveTabindex: receives the keyboard shortcuts
      tabIndex={0}
      role="application"
      aria-label="Flow canvas. Press ? for keyboard shortcuts."
      data-lm-suppress-shortcuts="true"
      onKeyDown={onKeyDown}
      onKeyUp={(event) => event.stopPropagation()}
      onDoubleClick={onDoubleClick}
      onDragOver={files.over}
      onDragLeave={files.leave}
      onPointerMoveCapture={dragging.onPointerMove}
      onDrop={onDrop}
    >
      {initialViewport && (
        <ReactFlow
          nodes={isOverview ? EMPTY : nodes}
          edges={isOverview ? EMPTY : edges}
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
          onPaneContextMenu={(event) => openContextMenu(event as React.MouseEvent, null)}
          onNodeContextMenu={(event, node) => openContextMenu(event, node.id)}
          onlyRenderVisibleElements
          defaultViewport={initialViewport}
          minZoom={MIN_ZOOM}
          maxZoom={MAX_ZOOM}
          snapToGrid={!dragging.isFree}
          snapGrid={SNAP_GRID}
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
          {isMapOpen && !isOverview && (
            <MiniMap
              style={MINIMAP_SIZE}
              pannable
              zoomable
              nodeBorderRadius={14}
              maskStrokeWidth={2}
              ariaLabel="Minimap"
              nodeClassName={minimapNodeClass}
              position="bottom-right"
            />
          )}
        </ReactFlow>
      )}
      {isOverview && <Overview />}
      <ConnectionHint />
      <DropHint />
      <Panels viewCenter={() => viewportCenter(bridge, flow)} keys={KEY_BINDINGS} />
      <MaskPanel />
      <CompareBar />
      <Viewer viewCenter={() => viewportCenter(bridge, flow)} />
    </div>
  )
}

/** Viewport of the first render; null until the flow has loaded and all nodes have positions. */
function useInitialViewport(): Viewport | null {
  const bridge = useBridge()
  const isPlaced = useCanvas(({ isReady, layering, shared: { document } }) => {
    return isReady && (layering !== null || document.looks.size >= document.nodes.size)
  })
  const [initialViewport, setInitialViewport] = useState<Viewport | null>(null)
  useLayoutEffect(() => {
    if (isPlaced) setInitialViewport((viewport) => viewport ?? fittedViewport(bridge) ?? { x: 0, y: 0, zoom: 1 })
  }, [isPlaced, bridge])
  return initialViewport
}

/** Fit the view when an empty canvas gets its first nodes, from a template or a paste. */
function useFitAfterFirstNodes(bridge: Bridge): void {
  const flow = useReactFlow()
  const isEmpty = useCanvas((state) => state.isReady && state.shared.document.nodes.size === 0)
  const wasEmpty = useRef(isEmpty)
  useEffect(() => {
    if (wasEmpty.current && !isEmpty && bridge.store.getState().shared.document.nodes.size > 1) fitView(bridge, flow)
    wasEmpty.current = isEmpty
  }, [isEmpty, bridge, flow])
}

/** Center and focus the node that a search or keyboard navigation selected. */
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
