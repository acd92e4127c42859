/** One canvas element that WebGL2 draws pictures on; it survives a lost context, and leaves nothing behind. */

import { TABLE_SIZE } from "./grade-table"
import { FRAGMENT, MODE_NUMBERS, VERTEX } from "./shaders"

export type CompareMode = keyof typeof MODE_NUMBERS

/** A picture that can be drawn: decoded, and free to be read. */
export type Picture = HTMLImageElement

export interface Rect {
  x: number
  y: number
  width: number
  height: number
}

export interface Scene {
  pictures: readonly Picture[]
  /** Of each picture in the frame, in pixels of the frame. */
  places: readonly Rect[]
  /** Where the frame lies in a cell, in device pixels, and how many of them one of its pixels takes. */
  view: { x: number; y: number; scale: number }
  mode: CompareMode
  /** Cells beside each other, and below. */
  grid: readonly [columns: number, rows: number]
  /** Of the wipe, in fractions of the width. */
  dividers: readonly number[]
  /** Between the first picture (0) and the last (their number less one). */
  onion: number
  /** What differences are multiplied by. */
  strength: number
  /** Side of the squares behind what is transparent, in device pixels; 0: nothing is put there. */
  checker: number
  /** As `gradeTable` makes it; null: pictures as they are. */
  table: Float32Array | null
}

/** This browser offers no WebGL2, or not now. */
export class WebGLUnavailableError extends Error {}

/** Textures that are kept beyond those that are drawn. */
const MOST_KEPT = 8
/** Above this many device pixels for one of a picture's, its pixels are shown as squares. */
const SQUARES_FROM = 3

export class Renderer {
  readonly #gl: WebGL2RenderingContext
  #program: WebGLProgram | null = null
  readonly #places = new Map<string, WebGLUniformLocation | null>()
  /** The least recently drawn first. */
  readonly #textures = new Map<Picture, WebGLTexture>()
  #table: { of: Float32Array; texture: WebGLTexture } | null = null

  /** `onBack`: what was drawn is gone and can be drawn again. */
  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly onBack: () => void,
  ) {
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false })
    if (!gl) throw new WebGLUnavailableError("This browser offers no WebGL2.")
    this.#gl = gl
    canvas.addEventListener("webglcontextlost", this.#lost)
    canvas.addEventListener("webglcontextrestored", this.#back)
    this.#begin()
  }

  /** Draw a scene at the canvas element's own size; false where the context is lost for now. */
  draw(scene: Scene): boolean {
    const gl = this.#gl
    if (gl.isContextLost() || !this.#program) return false
    const { canvas } = this
    gl.viewport(0, 0, canvas.width, canvas.height)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    if (scene.pictures.length === 0) return true
    const levels = scene.pictures.map((picture, index) => this.#bound(picture, index, scene))
    const { view, dividers, grid, places } = scene
    gl.uniform4fv(
      this.#at("place"),
      places.flatMap((one) => [one.x, one.y, one.width, one.height]),
    )
    gl.uniform1fv(this.#at("level"), levels)
    gl.uniform3f(this.#at("view"), view.x, view.y, view.scale)
    gl.uniform3f(this.#at("divider"), dividers[0] ?? 1, dividers[1] ?? 1, dividers[2] ?? 1)
    gl.uniform2f(this.#at("size"), canvas.width, canvas.height)
    gl.uniform2i(this.#at("grid"), grid[0], grid[1])
    gl.uniform1i(this.#at("count"), scene.pictures.length)
    gl.uniform1i(this.#at("mode"), scene.pictures.length > 1 ? MODE_NUMBERS[scene.mode] : 0)
    gl.uniform1f(this.#at("onion"), scene.onion)
    gl.uniform1f(this.#at("strength"), scene.strength)
    gl.uniform1f(this.#at("checker"), scene.checker)
    this.#grade(scene.table)
    gl.drawArrays(gl.TRIANGLES, 0, 3)
    this.#trim(scene.pictures)
    return true
  }

  /** Give everything back to the graphics card. */
  close(): void {
    const { canvas } = this
    canvas.removeEventListener("webglcontextlost", this.#lost)
    canvas.removeEventListener("webglcontextrestored", this.#back)
    for (const texture of this.#textures.values()) this.#gl.deleteTexture(texture)
    this.#textures.clear()
    if (this.#table) this.#gl.deleteTexture(this.#table.texture)
    this.#table = null
    this.#gl.deleteProgram(this.#program)
    this.#program = null
    // Browsers hold few contexts at once; one that is not let go is taken from somebody else.
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext()
  }

  readonly #lost = (event: Event) => {
    event.preventDefault() // else it never comes back
    this.#textures.clear()
    this.#table = null
    this.#program = null
  }

  readonly #back = () => {
    this.#begin()
    this.onBack()
  }

  #begin(): void {
    const gl = this.#gl
    const program = gl.createProgram()
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind)
      if (!shader) throw new WebGLUnavailableError("WebGL2 gives no shader.")
      gl.shaderSource(shader, source)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
      gl.deleteShader(shader) // it lives on in the program
    }
    gl.linkProgram(program)
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new WebGLUnavailableError(`WebGL2 refuses our shader: ${gl.getProgramInfoLog(program)}`)
    }
    this.#program = program
    this.#places.clear()
    // biome-ignore lint/correctness/useHookAtTopLevel: it is WebGL's, no hook
    gl.useProgram(program)
    for (let i = 0; i < 4; i++) gl.uniform1i(this.#at(`picture${i}`), i)
    gl.uniform1i(this.#at("table"), 4)
  }

  #at(name: string): WebGLUniformLocation | null {
    let place = this.#places.get(name)
    if (place === undefined && this.#program) {
      place = this.#gl.getUniformLocation(this.#program, name)
      this.#places.set(name, place)
    }
    return place ?? null
  }

  /** Put a picture where the shader finds it; returns the level of detail it is to be taken at. */
  #bound(picture: Picture, index: number, scene: Scene): number {
    const gl = this.#gl
    gl.activeTexture(gl.TEXTURE0 + index)
    const texture = this.#textures.get(picture) ?? this.#uploaded(picture)
    this.#textures.delete(picture)
    this.#textures.set(picture, texture)
    gl.bindTexture(gl.TEXTURE_2D, texture)
    const place = scene.places[index]
    const scale = (scene.view.scale * (place?.width ?? 1)) / picture.naturalWidth
    const near = scale >= SQUARES_FROM ? gl.NEAREST : gl.LINEAR
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, near)
    // A little sharper than the level that would hold nothing too fine: what is made smaller looks crisp.
    return scale < 1 ? Math.max(0, -Math.log2(scale) - 0.4) : 0
  }

  #uploaded(picture: Picture): WebGLTexture {
    const gl = this.#gl
    const texture = gl.createTexture()
    gl.bindTexture(gl.TEXTURE_2D, texture)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, fitted(picture, gl))
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR)
    gl.generateMipmap(gl.TEXTURE_2D)
    return texture
  }

  #grade(table: Float32Array | null): void {
    const gl = this.#gl
    gl.uniform1i(this.#at("isGraded"), table ? 1 : 0)
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
    // Half floats: every card interpolates them, and their steps are far below one of 255.
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGB16F, TABLE_SIZE, TABLE_SIZE, TABLE_SIZE, 0, gl.RGB, gl.FLOAT, table)
    this.#table = { of: table, texture }
  }

  #trim(drawn: readonly Picture[]): void {
    for (const [picture, texture] of this.#textures) {
      if (this.#textures.size <= MOST_KEPT) return
      if (drawn.includes(picture)) continue
      this.#gl.deleteTexture(texture)
      this.#textures.delete(picture)
    }
  }
}

/** The picture, or a smaller one where the card cannot hold it. */
function fitted(picture: Picture, gl: WebGL2RenderingContext): TexImageSource {
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number
  const scale = most / Math.max(picture.naturalWidth, picture.naturalHeight)
  if (scale >= 1) return picture
  const small = document.createElement("canvas")
  small.width = Math.floor(picture.naturalWidth * scale)
  small.height = Math.floor(picture.naturalHeight * scale)
  small.getContext("2d")?.drawImage(picture, 0, 0, small.width, small.height)
  return small
}
