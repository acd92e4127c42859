/** Draws images on a canvas element with WebGL2. Restores itself after a lost context and frees its resources on close. */

import { TABLE_SIZE } from "./grade-table"
import { FRAGMENT, MODE_NUMBERS, VERTEX } from "./shaders"

export type CompareMode = keyof typeof MODE_NUMBERS

/** A decoded image that WebGL may read. */
export type Picture = HTMLImageElement

export interface Rect {
  x: number
  y: number
  width: number
  height: number
}

export interface Scene {
  pictures: readonly Picture[]
  /** Position of each image in the frame, in frame pixels. */
  places: readonly Rect[]
  /** Position of the frame in a cell, and device pixels per frame pixel. */
  view: { x: number; y: number; scale: number }
  mode: CompareMode
  /** Number of columns and rows. */
  grid: readonly [columns: number, rows: number]
  /** Divider positions of the wipe, as fractions of the width. */
  dividers: readonly number[]
  /** Blend position between the first image (0) and the last (count - 1). */
  onion: number
  /** Factor for differences. */
  strength: number
  /** Size of the checkerboard squares behind transparent areas, in device pixels; 0: none. */
  checker: number
  /** Table from `gradeTable`; null: ungraded. */
  table: Float32Array | null
}

/** WebGL2 is not available. */
export class WebGLUnavailableError extends Error {}

/** Maximum number of cached textures. */
const MAX_TEXTURES = 8
/** At this many device pixels per image pixel, pixels are drawn as squares. */
const NEAREST_FROM_SCALE = 3

export class Renderer {
  readonly #gl: WebGL2RenderingContext
  #program: WebGLProgram | null = null
  readonly #uniforms = new Map<string, WebGLUniformLocation | null>()
  /** Least recently drawn first. */
  readonly #textures = new Map<Picture, WebGLTexture>()
  #table: { of: Float32Array; texture: WebGLTexture } | null = null

  /** `onBack`: called after the context was restored; redraw then. */
  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly onBack: () => void,
  ) {
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false })
    if (!gl) throw new WebGLUnavailableError("This browser does not support WebGL2.")
    this.#gl = gl
    canvas.addEventListener("webglcontextlost", this.#onContextLost)
    canvas.addEventListener("webglcontextrestored", this.#onContextRestored)
    this.#init()
  }

  /** Draws a scene at the size of the canvas element. Returns false while the context is lost. */
  draw(scene: Scene): boolean {
    const gl = this.#gl
    if (gl.isContextLost() || !this.#program) return false
    const { canvas } = this
    gl.viewport(0, 0, canvas.width, canvas.height)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    if (scene.pictures.length === 0) return true
    const levels = scene.pictures.map((picture, index) => this.#bindPicture(picture, index, scene))
    const { view, dividers, grid, places } = scene
    gl.uniform4fv(
      this.#uniform("place"),
      places.flatMap(({ x, y, width, height }) => [x, y, width, height]),
    )
    gl.uniform1fv(this.#uniform("level"), levels)
    gl.uniform3f(this.#uniform("view"), view.x, view.y, view.scale)
    gl.uniform3f(this.#uniform("divider"), dividers[0] ?? 1, dividers[1] ?? 1, dividers[2] ?? 1)
    gl.uniform2f(this.#uniform("size"), canvas.width, canvas.height)
    gl.uniform2i(this.#uniform("grid"), grid[0], grid[1])
    gl.uniform1i(this.#uniform("count"), scene.pictures.length)
    gl.uniform1i(this.#uniform("mode"), scene.pictures.length > 1 ? MODE_NUMBERS[scene.mode] : 0)
    gl.uniform1f(this.#uniform("onion"), scene.onion)
    gl.uniform1f(this.#uniform("strength"), scene.strength)
    gl.uniform1f(this.#uniform("checker"), scene.checker)
    this.#setTable(scene.table)
    gl.drawArrays(gl.TRIANGLES, 0, 3)
    this.#evictTextures(scene.pictures)
    return true
  }

  /** Frees all WebGL resources. */
  close(): void {
    const { canvas } = this
    canvas.removeEventListener("webglcontextlost", this.#onContextLost)
    canvas.removeEventListener("webglcontextrestored", this.#onContextRestored)
    for (const texture of this.#textures.values()) this.#gl.deleteTexture(texture)
    this.#textures.clear()
    if (this.#table) this.#gl.deleteTexture(this.#table.texture)
    this.#table = null
    this.#gl.deleteProgram(this.#program)
    this.#program = null
    // Browsers limit the number of contexts and drop the oldest: release it immediately.
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext()
  }

  readonly #onContextLost = (event: Event) => {
    event.preventDefault() // required for the context to be restored
    this.#textures.clear()
    this.#table = null
    this.#program = null
  }

  readonly #onContextRestored = () => {
    this.#init()
    this.onBack()
  }

  #init(): void {
    const gl = this.#gl
    const program = gl.createProgram()
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind)
      if (!shader) throw new WebGLUnavailableError("WebGL2 cannot create a shader.")
      gl.shaderSource(shader, source)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
      gl.deleteShader(shader) // the program keeps a reference
    }
    gl.linkProgram(program)
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new WebGLUnavailableError(`WebGL2 cannot compile the shader: ${gl.getProgramInfoLog(program)}`)
    }
    this.#program = program
    this.#uniforms.clear()
    // biome-ignore lint/correctness/useHookAtTopLevel: a WebGL method, not a hook
    gl.useProgram(program)
    for (let i = 0; i < 4; i++) gl.uniform1i(this.#uniform(`picture${i}`), i)
    gl.uniform1i(this.#uniform("table"), 4)
  }

  #uniform(name: string): WebGLUniformLocation | null {
    let location = this.#uniforms.get(name)
    if (location === undefined && this.#program) {
      location = this.#gl.getUniformLocation(this.#program, name)
      this.#uniforms.set(name, location)
    }
    return location ?? null
  }

  /** Binds an image to its texture unit; returns the mipmap level to sample. */
  #bindPicture(picture: Picture, index: number, scene: Scene): number {
    const gl = this.#gl
    gl.activeTexture(gl.TEXTURE0 + index)
    const texture = this.#textures.get(picture) ?? this.#uploadTexture(picture)
    this.#textures.delete(picture)
    this.#textures.set(picture, texture)
    gl.bindTexture(gl.TEXTURE_2D, texture)
    const place = scene.places[index]
    const scale = (scene.view.scale * (place?.width ?? 1)) / picture.naturalWidth
    const filter = scale >= NEAREST_FROM_SCALE ? gl.NEAREST : gl.LINEAR
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter)
    // Slightly below the exact mipmap level: downscaled images look sharper.
    return scale < 1 ? Math.max(0, -Math.log2(scale) - 0.4) : 0
  }

  #uploadTexture(picture: Picture): WebGLTexture {
    const gl = this.#gl
    const texture = gl.createTexture()
    gl.bindTexture(gl.TEXTURE_2D, texture)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, fitTexture(picture, gl))
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR)
    gl.generateMipmap(gl.TEXTURE_2D)
    return texture
  }

  #setTable(table: Float32Array | null): void {
    const gl = this.#gl
    gl.uniform1i(this.#uniform("isGraded"), table ? 1 : 0)
    gl.activeTexture(gl.TEXTURE4)
    if (!table || this.#table?.of === table) return
    const texture = this.#table?.texture ?? gl.createTexture()
    gl.bindTexture(gl.TEXTURE_3D, texture)
    if (!this.#table) {
      for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R])
        gl.texParameteri(gl.TEXTURE_3D, wrap, gl.CLAMP_TO_EDGE)
      gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.LINEAR)
      gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, gl.LINEAR)
    }
    // Half floats: every GPU interpolates them, with steps far below 1/255.
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGB16F, TABLE_SIZE, TABLE_SIZE, TABLE_SIZE, 0, gl.RGB, gl.FLOAT, table)
    this.#table = { of: table, texture }
  }

  #evictTextures(drawn: readonly Picture[]): void {
    for (const [picture, texture] of this.#textures) {
      if (this.#textures.size <= MAX_TEXTURES) return
      if (drawn.includes(picture)) continue
      this.#gl.deleteTexture(texture)
      this.#textures.delete(picture)
    }
  }
}

/** The image, or a smaller copy if it exceeds the maximum texture size. */
function fitTexture(picture: Picture, gl: WebGL2RenderingContext): TexImageSource {
  const maxSize = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number
  const scale = maxSize / Math.max(picture.naturalWidth, picture.naturalHeight)
  if (scale >= 1) return picture
  const copy = document.createElement("canvas")
  copy.width = Math.floor(picture.naturalWidth * scale)
  copy.height = Math.floor(picture.naturalHeight * scale)
  copy.getContext("2d")?.drawImage(picture, 0, 0, copy.width, copy.height)
  return copy
}
