/** Color field: a color picker and a text field that takes any CSS color (`white`, `#0af`, `transparent`). */

interface Props {
  id: string
  label: string
  value: unknown
  onChange: (value: string) => void
}

export function ColorControl({ id, label, value, onChange }: Props) {
  return (
    <span className="ff-box ff-color">
      <input
        type="color"
        aria-label={`${label} (picker)`}
        value={hexOf(String(value ?? ""))}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      <input
        id={id}
        type="text"
        value={String(value ?? "")}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </span>
  )
}

const FALLBACK = "#808080"
let context: CanvasRenderingContext2D | null = null

/** CSS color as `#rrggbb`, the format of the browser's color picker. The canvas context parses it. */
function hexOf(css: string): string {
  context ??= document.createElement("canvas").getContext("2d")
  if (!context) return FALLBACK
  context.fillStyle = FALLBACK
  context.fillStyle = css // ignored if it is not a color
  return /^#[0-9a-f]{6}$/.test(context.fillStyle) ? context.fillStyle : FALLBACK
}
