/**
 * Color math of the grade node, equal to the kernel's `grade_table`, so that the live preview matches the result.
 * `test/grade-table.test.ts` compares every value with the kernel's.
 */

/** Samples along each axis of the table. */
export const TABLE_SIZE = 33

/** Minimum, neutral value and maximum of each setting. */
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

/** Parses a node's grade parameters; null if one is not a number or out of range, which the kernel refuses too. */
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

/** Luminance weights in linear sRGB. */
const LUMINANCE: Colour = [0.2126, 0.7152, 0.0722]
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

/** Builds the lookup table for a 3D texture; red varies fastest, then green, then blue. Null for a neutral grade. */
export function gradeTable(grade: Grade): Float32Array | null {
  if (isNeutral(grade)) return null
  const table = new Float32Array(TABLE_SIZE ** 3 * 3)
  const steps = Array.from({ length: TABLE_SIZE }, (_, index) => index / (TABLE_SIZE - 1))
  const { temperature, tint, exposure, hue, saturation } = grade
  const needsLinear = temperature !== 0 || tint !== 0 || exposure !== 0 || hue !== 0 || saturation !== 0
  const [red, green, blue] = gains(grade).map((gain) => steps.map((step) => toLinear(step) * gain)) as [
    number[],
    number[],
    number[],
  ]
  const rotate = needsLinear ? hueRotation(grade) : null
  const colour: Colour = [0, 0, 0]
  let at = 0
  for (let b = 0; b < TABLE_SIZE; b++) {
    for (let g = 0; g < TABLE_SIZE; g++) {
      for (let r = 0; r < TABLE_SIZE; r++) {
        if (rotate) {
          colour[0] = red[r] as number
          colour[1] = green[g] as number
          colour[2] = blue[b] as number
          rotate(colour)
        } else {
          colour[0] = steps[r] as number
          colour[1] = steps[g] as number
          colour[2] = steps[b] as number
        }
        for (const value of colour) table[at++] = toneCurve(value, grade)
      }
    }
  }
  return table
}

/** Factors of red, green and blue in linear light for temperature, tint and exposure. */
function gains({ temperature, tint, exposure }: Grade): Colour {
  const stops: Colour = [0.6 * temperature + 0.25 * tint, -0.5 * tint, -0.6 * temperature + 0.25 * tint]
  const raw = stops.map((stop) => 2 ** stop) as Colour
  const isTinted = temperature !== 0 || tint !== 0
  const luminance = isTinted ? dot(raw, LUMINANCE) : 1 // keep the luminance of grey
  return raw.map((gain) => (gain / luminance) * 2 ** exposure) as Colour
}

/** Returns a function that rotates a linear color in OKLab in place and converts it to sRGB. */
function hueRotation({ hue, saturation }: Grade): (colour: Colour) => void {
  const isRotated = hue !== 0 || saturation !== 0
  const angle = (hue * Math.PI) / 180
  const along = (1 + saturation) * Math.cos(angle)
  const across = (1 + saturation) * Math.sin(angle)
  const buffer: Colour = [0, 0, 0]
  return (colour) => {
    if (isRotated) {
      multiply(TO_CONES, colour, buffer)
      for (let i = 0; i < 3; i++) buffer[i] = Math.cbrt(buffer[i] as number)
      multiply(TO_LAB, buffer, colour)
      const [, a, b] = colour
      colour[1] = along * a - across * b
      colour[2] = across * a + along * b
      multiply(FROM_LAB, colour, buffer)
      for (let i = 0; i < 3; i++) buffer[i] = (buffer[i] as number) ** 3
      multiply(FROM_CONES, buffer, colour)
    }
    for (let i = 0; i < 3; i++) colour[i] = toSrgb(clamp(colour[i] as number))
  }
}

function toneCurve(start: number, { contrast, lift, gain, gamma }: Grade): number {
  let value = start
  if (contrast > 0) {
    const power = 1 + 1.5 * contrast
    value = value < 0.5 ? (2 * value) ** power / 2 : 1 - (1 - (value - 0.5) * 2) ** power / 2
  } else if (contrast < 0) value = 0.5 + (value - 0.5) * (1 + contrast)
  if (lift !== 0 || gain !== 1) value = clamp(value * gain + lift * (1 - value))
  if (gamma !== 1) value **= 1 / gamma
  return clamp(value)
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value))

/** Converts an sRGB value to linear light, both 0 to 1. */
const toLinear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)

/** Converts linear light to an sRGB value, both 0 to 1. */
const toSrgb = (light: number): number => (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055)

// Function declarations are hoisted: the inverses above are computed while the module loads.
function dot(a: readonly number[], b: readonly number[]): number {
  return (a[0] as number) * (b[0] as number) + (a[1] as number) * (b[1] as number) + (a[2] as number) * (b[2] as number)
}

function multiply(matrix: Matrix, from: Colour, out: Colour): void {
  for (let i = 0; i < 3; i++) out[i] = dot(matrix[i] as Colour, from)
}

function inverse(matrix: Matrix): Matrix {
  const [a, b, c] = matrix as [Colour, Colour, Colour]
  const columns = [cross(b, c), cross(c, a), cross(a, b)]
  const determinant = dot(a, columns[0] as Colour)
  return [0, 1, 2].map((row) => columns.map((column) => (column[row] as number) / determinant) as Colour)
}

function cross(u: Colour, v: Colour): Colour {
  return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
}
