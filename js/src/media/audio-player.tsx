/** A sound on a node: its waveform with a playhead, a click to go there, and a button that plays it. */

import { useRef, useState } from "react"
import { useBytes } from "../bridge/use-bytes"
import { formatClock } from "../state/format"
import type { ResultCell } from "../wire/run"

/** Arrow keys go this far. */
const STEP_S = 1
/** Without loudness known: an even line to seek on. */
const FLAT = Array.from({ length: 64 }, () => 0.06)

export function AudioPlayer({ cell, name }: { cell: ResultCell; name: string }) {
  const audio = useRef<HTMLAudioElement>(null)
  const [isLookedAt, setLookedAt] = useState(false)
  const [isPlaying, setPlaying] = useState(false)
  const [at, setAt] = useState(0)
  const { url, isMissing, onError } = useBytes(cell, "asset", isLookedAt)
  /** What is to be done as soon as the bytes are here. */
  const wish = useRef<{ fraction?: number; isPlay?: boolean } | null>(null)
  const [known, setKnown] = useState<number | null>(null)
  const length = cell.duration_s ?? known ?? 0
  const peaks = cell.peaks?.length ? cell.peaks : FLAT

  const fulfil = () => {
    const sound = audio.current
    const wanted = wish.current
    if (!sound || !wanted || sound.readyState < HTMLMediaElement.HAVE_METADATA) return
    wish.current = null
    if (wanted.fraction !== undefined) sound.currentTime = wanted.fraction * (sound.duration || length)
    if (wanted.isPlay) void sound.play().catch(() => setPlaying(false))
  }
  const want = (wanted: { fraction?: number; isPlay?: boolean }) => {
    wish.current = { ...wish.current, ...wanted }
    setLookedAt(true)
    fulfil()
  }
  const go = (fraction: number) => {
    const clean = Math.min(1, Math.max(0, fraction))
    setAt(clean)
    want({ fraction: clean })
  }
  const toggle = () => {
    if (isPlaying) audio.current?.pause()
    else want({ isPlay: true })
  }
  return (
    <span className="ff-sound nodrag">
      <button type="button" className="ff-icon" aria-label={isPlaying ? "Pause" : "Play"} onClick={toggle}>
        {isPlaying ? "❚❚" : "▶"}
      </button>
      <span
        className="ff-wave"
        role="slider"
        tabIndex={0}
        aria-label={`Where ${name} plays`}
        aria-valuemin={0}
        aria-valuemax={Math.round(length)}
        aria-valuenow={Math.round(at * length)}
        aria-valuetext={`${formatClock(at * length)} of ${formatClock(length)}`}
        onClick={(event) => {
          const place = event.currentTarget.getBoundingClientRect()
          go((event.clientX - place.left) / place.width)
        }}
        onKeyDown={(event) => {
          const step = event.key === "ArrowRight" ? STEP_S : event.key === "ArrowLeft" ? -STEP_S : 0
          if (step !== 0 && length > 0) go(at + step / length)
          else if (event.key === " " || event.key === "Enter") toggle()
          else return
          event.preventDefault()
          event.stopPropagation()
        }}
      >
        {peaks.map((peak, index) => (
          <i
            // biome-ignore lint/suspicious/noArrayIndexKey: a peak is its place
            key={index}
            className={(index + 0.5) / peaks.length < at ? "is-past" : ""}
            style={{ height: `${6 + Math.min(1, Math.max(0, peak)) * 94}%` }}
          />
        ))}
        {(isPlaying || at > 0) && <b className="ff-head-line" style={{ left: `${at * 100}%` }} />}
      </span>
      <span className="ff-mono">
        {isMissing ? "lost" : at > 0 ? formatClock(at * length) : length > 0 ? formatClock(length) : "–"}
      </span>
      {/* biome-ignore lint/a11y/useMediaCaption: generated sounds have no captions */}
      <audio
        ref={audio}
        src={url}
        preload="auto"
        onError={onError}
        onLoadedMetadata={(event) => {
          const { duration } = event.currentTarget
          if (Number.isFinite(duration)) setKnown(duration)
          fulfil()
        }}
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onEnded={() => setAt(0)}
        onTimeUpdate={(event) => setAt(event.currentTarget.currentTime / (event.currentTarget.duration || length || 1))}
      />
    </span>
  )
}
