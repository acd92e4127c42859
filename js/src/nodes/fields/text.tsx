/** Text field that grows with its content and highlights flow variables; list and JSON field. */

import { useEffect, useState } from "react"
import { valueToText } from "../../state/node-layout"
import type { Json } from "../../wire/flow"
import type { ControlProps } from "./field"

type Props = Omit<ControlProps, "field"> & { field: Pick<ControlProps["field"], "name" | "control" | "label"> } & {
  label?: string
}

export function TextControl({ id, value, onChange, label }: Props) {
  const text = typeof value === "string" ? value : valueToText(value)
  const hasVariables = text.includes("{{")
  return (
    <span className={`ff-box ff-area${hasVariables ? " has-variables" : ""}`}>
      {hasVariables && (
        <span className="ff-behind" aria-hidden="true">
          <HighlightedText text={text} />
        </span>
      )}
      <textarea
        id={id}
        className="nowheel"
        aria-label={label}
        rows={1}
        spellCheck={false}
        value={text}
        placeholder={label ? `Enter ${label}…` : undefined}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </span>
  )
}

/** Text with its `{{variables}}` highlighted. */
function HighlightedText({ text }: { text: string }) {
  return (
    <>
      {text.split(/(\{\{\s*\w+\s*\}\})/).map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts have no other key
        <span key={index} className={index % 2 === 1 ? "ff-variable" : ""}>
          {part}
        </span>
      ))}
    </>
  )
}

/** List or JSON field. Keeps the draft as typed until it parses. */
export function ListControl({ id, value, onChange, field, label }: Props) {
  const [draft, setDraft] = useState<string | null>(null)
  const [isInvalid, setInvalid] = useState(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: an external change discards the draft
  useEffect(() => setDraft(null), [value])
  const commit = () => {
    if (draft === null) return
    const parsed = parseValue(draft, field.control === "list", value)
    setInvalid(parsed === undefined)
    if (parsed === undefined) return
    setDraft(null)
    onChange(parsed)
  }
  return (
    <span className={`ff-box ff-area ff-mono${isInvalid ? " is-wrong" : ""}`}>
      <textarea
        id={id}
        className="nowheel"
        aria-label={label}
        aria-invalid={isInvalid}
        rows={1}
        spellCheck={false}
        value={draft ?? valueToText(value)}
        placeholder={field.control === "list" ? "one per line" : "JSON"}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={commit}
      />
    </span>
  )
}

/** Parse comma-separated numbers, lines of text, or JSON; undefined if the text does not parse. */
function parseValue(text: string, isList: boolean, before: Json): Json | undefined {
  const clean = text.trim()
  if (clean === "") return null
  try {
    if (!isList || clean.startsWith("[")) return JSON.parse(clean) as Json
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const parts = clean.split(/[,\n]/).map((part) => part.trim())
  const isNumeric = Array.isArray(before) ? before.every((item) => typeof item === "number") : true
  if (isNumeric && parts.every((part) => part !== "" && Number.isFinite(Number(part)))) return parts.map(Number)
  return clean.split("\n")
}
