/**
 * The colour maths of the grade node: the same table as the kernel's `grade_table`, so that sliders change the picture
 * here as the kernel's result will be. `test/grade-table.test.ts` holds every value to the kernel's.
 */

/** Nodes along each side of the table. */
export const TABLE_SIZE = 33

/** Lowest, neutral and highest value of each setting. */
export const SETTING_RANGES = {
  exposure: [-5, 0, 5],
  contrast: [-1, 0, 1],
  saturation: [-1, 0, 1],
  temperature: [-1, 0, 1],
  tint: [-1, 0, 1],
  hue: [-180, 0, 180],
  lift: [-1, 0, 1],
  gamma: [0.2, 1, 5],
  gain: [0, 1, 4],
} as const

export type Setting = keyof typeof SETTING_RANGES
export type Grade = Record<Setting, number>
type Matrix = readonly (readonly [number, number, number])[]
type Colour = [number, number, number]

export const SETTINGS = Object.keys(SETTING_RANGES) as Setting[]
export const NEUTRAL_GRADE = Object.fromEntries(SETTINGS.map((name) => [name, SETTING_RANGES[name][1]])) as Grade

export const isNeutral = (grade: Grade): boolean => SETTINGS.every((name) => grade[name] === NEUTRAL_GRADE[name])

/** Settings of a node's parameters; null where one is no number or out of its range: the kernel would refuse it. */
export function parseGrade(params: Readonly<Record<string, unknown>>): Grade | null {
  const grade = { ...NEUTRAL_GRADE }
  for (const name of SETTINGS) {
    const value = params[name] ?? NEUTRAL_GRADE[name]
    const [low, , high] = SETTING_RANGES[name]
    if (typeof value !== "number" || !(value >= low && value <= high)) return null
    grade[name] = value
  }
  return grade
}

/** What of a colour the eye sees as light, in linear sRGB. */
const LIGHT: Colour = [0.2126, 0.7152, 0.0722]
/** OKLab: linear sRGB to cone responses; their cube roots to lightness, a, b. */
const TO_CONES: Matrix = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
]
const TO_LAB: Matrix = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
]
const FROM_CONES = inverse(TO_CONES)
const FROM_LAB = inverse(TO_LAB)

/** Red runs fastest, then green, then blue: a 3D texture as it stands. Null where nothing would change. */
export function gradeTable(grade: Grade): Float32Array | null {
  if (isNeutral(grade)) return null
  const table = new Float32Array(TABLE_SIZE ** 3 * 3)
  const steps = Array.from({ length: TABLE_SIZE }, (_, at) => at / (TABLE_SIZE - 1))
  const { temperature, tint, exposure, hue, saturation } = grade
  const isLit = temperature !== 0 || tint !== 0 || exposure !== 0 || hue !== 0 || saturation !== 0
  const [red, green, blue] = gains(grade).map((gain) => steps.map((step) => linear(step) * gain)) as [
    number[],
    number[],
    number[],
  ]
  const turn = isLit ? turned(grade) : null
  const colour: Colour = [0, 0, 0]
  let at = 0
  for (let b = 0; b < TABLE_SIZE; b++) {
    for (let g = 0; g < TABLE_SIZE; g++) {
      for (let r = 0; r < TABLE_SIZE; r++) {
        if (turn) {
          colour[0] = red[r] as number
          colour[1] = green[g] as number
          colour[2] = blue[b] as number
          turn(colour)
        } else {
          colour[0] = steps[r] as number
          colour[1] = steps[g] as number
          colour[2] = steps[b] as number
        }
        for (const value of colour) table[at++] = asDisplayed(value, grade)
      }
    }
  }
  return table
}

/** What temperature, tint and exposure multiply red, green and blue by, in linear light. */
function gains({ temperature, tint, exposure }: Grade): Colour {
  const stops: Colour = [0.6 * temperature + 0.25 * tint, -0.5 * tint, -0.6 * temperature + 0.25 * tint]
  const raw = stops.map((stop) => 2 ** stop) as Colour
  const isTinted = temperature !== 0 || tint !== 0
  const kept = isTinted ? dot(raw, LIGHT) : 1 // grey keeps its light
  return raw.map((gain) => (gain / kept) * 2 ** exposure) as Colour
}

/** Turn a colour of linear light around the OKLab circle, in place, and make it a displayed one. */
function turned({ hue, saturation }: Grade): (colour: Colour) => void {
  const isTurned = hue !== 0 || saturation !== 0
  const angle = (hue * Math.PI) / 180
  const along = (1 + saturation) * Math.cos(angle)
  const across = (1 + saturation) * Math.sin(angle)
  const between: Colour = [0, 0, 0]
  return (colour) => {
    if (isTurned) {
      times(TO_CONES, colour, between)
      for (let i = 0; i < 3; i++) between[i] = Math.cbrt(between[i] as number)
      times(TO_LAB, between, colour)
      const [, a, b] = colour
      colour[1] = along * a - across * b
      colour[2] = across * a + along * b
      times(FROM_LAB, colour, between)
      for (let i = 0; i < 3; i++) between[i] = (between[i] as number) ** 3
      times(FROM_CONES, between, colour)
    }
    for (let i = 0; i < 3; i++) colour[i] = displayed(clipped(colour[i] as number))
  }
}

function asDisplayed(start: number, { contrast, lift, gain, gamma }: Grade): number {
  let value = start
  if (contrast > 0) {
    const power = 1 + 1.5 * contrast
    value = value < 0.5 ? (2 * value) ** power / 2 : 1 - (1 - (value - 0.5) * 2) ** power / 2
  } else if (contrast < 0) value = 0.5 + (value - 0.5) * (1 + contrast)
  if (lift !== 0 || gain !== 1) value = clipped(value * gain + lift * (1 - value))
  if (gamma !== 1) value **= 1 / gamma
  return clipped(value)
}

const clipped = (value: number): number => Math.min(1, Math.max(0, value))

/** Light of a displayed sRGB value, both 0..1. */
const linear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)

/** Displayed sRGB value of light, both 0..1. */
const displayed = (light: number): number => (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055)

// Functions, not values: the inverses at the top are made before anything below would be.
function dot(a: readonly number[], b: readonly number[]): number {
  return (a[0] as number) * (b[0] as number) + (a[1] as number) * (b[1] as number) + (a[2] as number) * (b[2] as number)
}

function times(matrix: Matrix, from: Colour, into: Colour): void {
  for (let i = 0; i < 3; i++) into[i] = dot(matrix[i] as Colour, from)
}

function inverse(matrix: Matrix): Matrix {
  const [a, b, c] = matrix as [Colour, Colour, Colour]
  const columns = [cross(b, c), cross(c, a), cross(a, b)]
  const size = dot(a, columns[0] as Colour)
  return [0, 1, 2].map((row) => columns.map((column) => (column[row] as number) / size) as Colour)
}

function cross(u: Colour, v: Colour): Colour {
  return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
}
