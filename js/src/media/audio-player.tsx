/** Audio player on a node: waveform with playhead and seeking, and a play button. */

import { useRef, useState } from "react"
import { useBytes } from "../bridge/use-bytes"
import { formatClock } from "../state/format"
import type { ResultCell } from "../wire/run"

/** Seek step of the arrow keys. */
const STEP_S = 1
/** Waveform shown if no peaks are known. */
const FLAT = Array.from({ length: 64 }, () => 0.06)

export function AudioPlayer({ cell, name }: { cell: ResultCell; name: string }) {
  const audio = useRef<HTMLAudioElement>(null)
  const [isActivated, setActivated] = useState(false)
  const [isPlaying, setPlaying] = useState(false)
  const [position, setPosition] = useState(0)
  const { url, isMissing, onError } = useBytes(cell, "asset", isActivated)
  /** Action to perform when the audio is loaded. */
  const pendingAction = useRef<{ fraction?: number; isPlay?: boolean } | null>(null)
  const [loadedDuration, setLoadedDuration] = useState<number | null>(null)
  const duration = cell.duration_s ?? loadedDuration ?? 0
  const peaks = cell.peaks?.length ? cell.peaks : FLAT

  const applyPending = () => {
    const sound = audio.current
    const action = pendingAction.current
    if (!sound || !action || sound.readyState < HTMLMediaElement.HAVE_METADATA) return
    pendingAction.current = null
    if (action.fraction !== undefined) sound.currentTime = action.fraction * (sound.duration || duration)
    if (action.isPlay) void sound.play().catch(() => setPlaying(false))
  }
  const request = (action: { fraction?: number; isPlay?: boolean }) => {
    pendingAction.current = { ...pendingAction.current, ...action }
    setActivated(true)
    applyPending()
  }
  const seek = (fraction: number) => {
    const clamped = Math.min(1, Math.max(0, fraction))
    setPosition(clamped)
    request({ fraction: clamped })
  }
  const toggle = () => {
    if (isPlaying) audio.current?.pause()
    else request({ isPlay: true })
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
        aria-label={`Playback position of ${name}`}
        aria-valuemin={0}
        aria-valuemax={Math.round(duration)}
        aria-valuenow={Math.round(position * duration)}
        aria-valuetext={`${formatClock(position * duration)} of ${formatClock(duration)}`}
        onClick={(event) => {
          const bounds = event.currentTarget.getBoundingClientRect()
          seek((event.clientX - bounds.left) / bounds.width)
        }}
        onKeyDown={(event) => {
          const step = event.key === "ArrowRight" ? STEP_S : event.key === "ArrowLeft" ? -STEP_S : 0
          if (step !== 0 && duration > 0) seek(position + step / duration)
          else if (event.key === " " || event.key === "Enter") toggle()
          else return
          event.preventDefault()
          event.stopPropagation()
        }}
      >
        {peaks.map((peak, index) => (
          <i
            // biome-ignore lint/suspicious/noArrayIndexKey: peaks are identified by position
            key={index}
            className={(index + 0.5) / peaks.length < position ? "is-past" : ""}
            style={{ height: `${6 + Math.min(1, Math.max(0, peak)) * 94}%` }}
          />
        ))}
        {(isPlaying || position > 0) && <b className="ff-head-line" style={{ left: `${position * 100}%` }} />}
      </span>
      <span className="ff-mono">
        {isMissing
          ? "lost"
          : position > 0
            ? formatClock(position * duration)
            : duration > 0
              ? formatClock(duration)
              : "–"}
      </span>
      {/* biome-ignore lint/a11y/useMediaCaption: generated sounds have no captions */}
      <audio
        ref={audio}
        src={url}
        preload="auto"
        onError={onError}
        onLoadedMetadata={(event) => {
          const { duration } = event.currentTarget
          if (Number.isFinite(duration)) setLoadedDuration(duration)
          applyPending()
        }}
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onEnded={() => setPosition(0)}
        onTimeUpdate={(event) =>
          setPosition(event.currentTarget.currentTime / (event.currentTarget.duration || duration || 1))
        }
      />
    </span>
  )
}
