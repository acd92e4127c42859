/** Texts that grow with what is written, flow variables picked out; lists and JSON as text. */

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
          <Picked text={text} />
        </span>
      )}
      <textarea
        id={id}
        className="nowheel"
        aria-label={label}
        rows={1}
        spellCheck={false}
        value={text}
        placeholder={label ? `Write a ${label}…` : undefined}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </span>
  )
}

/** A text with its `{{variables}}` picked out. */
function Picked({ text }: { text: string }) {
  return (
    <>
      {text.split(/(\{\{\s*\w+\s*\}\})/).map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts have no other name
        <span key={index} className={index % 2 === 1 ? "ff-variable" : ""}>
          {part}
        </span>
      ))}
    </>
  )
}

/** A list or JSON, kept as it is typed until it can be read. */
export function ListControl({ id, value, onChange, field, label }: Props) {
  const [draft, setDraft] = useState<string | null>(null)
  const [isWrong, setWrong] = useState(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: what comes from elsewhere goes before an old draft
  useEffect(() => setDraft(null), [value])
  const take = () => {
    if (draft === null) return
    const read = readValue(draft, field.control === "list", value)
    setWrong(read === undefined)
    if (read === undefined) return
    setDraft(null)
    onChange(read)
  }
  return (
    <span className={`ff-box ff-area ff-mono${isWrong ? " is-wrong" : ""}`}>
      <textarea
        id={id}
        className="nowheel"
        aria-label={label}
        aria-invalid={isWrong}
        rows={1}
        spellCheck={false}
        value={draft ?? valueToText(value)}
        placeholder={field.control === "list" ? "one per line" : "JSON"}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={take}
      />
    </span>
  )
}

/** Numbers apart by commas, texts by lines, anything else as JSON; undefined where it cannot be read. */
function readValue(text: string, isList: boolean, before: Json): Json | undefined {
  const clean = text.trim()
  if (clean === "") return null
  try {
    if (!isList || clean.startsWith("[")) return JSON.parse(clean) as Json
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const parts = clean.split(/[,\n]/).map((part) => part.trim())
  const isNumeric = Array.isArray(before) ? before.every((one) => typeof one === "number") : true
  if (isNumeric && parts.every((part) => part !== "" && Number.isFinite(Number(part)))) return parts.map(Number)
  return clean.split("\n")
}
