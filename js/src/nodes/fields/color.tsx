/** A colour: picked, or written as CSS has it (`white`, `#0af`, `transparent`). */

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
        aria-label={`${label}, picked`}
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

const UNKNOWN = "#808080"
let brush: CanvasRenderingContext2D | null = null

/** What the browser's picker takes: `#rrggbb`. The browser itself knows what names and short forms stand for. */
function hexOf(css: string): string {
  brush ??= document.createElement("canvas").getContext("2d")
  if (!brush) return UNKNOWN
  brush.fillStyle = UNKNOWN
  brush.fillStyle = css // left as it was where this is no colour
  return /^#[0-9a-f]{6}$/.test(brush.fillStyle) ? brush.fillStyle : UNKNOWN
}
