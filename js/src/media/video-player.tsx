/**
 * Video player on a node: poster frame, and scrubbing with the pointer position. Loads the video on first interaction;
 * until then only the small poster is loaded.
 */

import { useRef, useState } from "react"
import { useBytes } from "../bridge/use-bytes"
import { formatClock } from "../state/format"
import type { ResultCell } from "../wire/run"
import { MissingMedia } from "./preview-image"

export function VideoPlayer({ cell, name }: { cell: ResultCell; name: string }) {
  const video = useRef<HTMLVideoElement>(null)
  const [isActivated, setActivated] = useState(false)
  /** Play as soon as the video is loaded. */
  const shouldPlay = useRef(false)
  const [isPlaying, setPlaying] = useState(false)
  /** Scrub or playback position, 0 to 1; null: the poster is shown. */
  const [position, setPosition] = useState<number | null>(null)
  const poster = useBytes(cell, "preview")
  const bytes = useBytes(cell, "asset", isActivated)
  const duration = () => {
    const loaded = video.current?.duration
    return loaded !== undefined && Number.isFinite(loaded) ? loaded : (cell.duration_s ?? 0)
  }
  const scrub = (event: React.PointerEvent<HTMLElement>) => {
    setActivated(true)
    if (isPlaying || event.pointerType === "touch") return
    const bounds = event.currentTarget.getBoundingClientRect()
    const fraction = Math.min(1, Math.max(0, (event.clientX - bounds.left) / bounds.width))
    setPosition(fraction)
    // One seek at a time: a decoder shows nothing while it gets seeks faster than it completes them.
    if (video.current && !video.current.seeking) video.current.currentTime = fraction * duration()
  }
  const play = () => {
    shouldPlay.current = false
    // On refusal by the browser the video stays paused.
    void video.current?.play().catch(() => setPlaying(false))
  }
  const toggle = () => {
    setActivated(true)
    if (isPlaying) video.current?.pause()
    else if (video.current && video.current.readyState >= HTMLMediaElement.HAVE_METADATA) play()
    else shouldPlay.current = true
  }
  const leave = () => {
    if (isPlaying) return
    setPosition(null)
  }
  const isShowing = position !== null || isPlaying
  if (bytes.isMissing && poster.isMissing) return <MissingMedia />
  return (
    <span className="ff-film" onPointerEnter={scrub} onPointerMove={scrub} onPointerLeave={leave}>
      {poster.url !== undefined && <img src={poster.url} alt={name} draggable={false} onError={poster.onError} />}
      {isActivated && (
        <video
          ref={video}
          className={isShowing ? "is-shown" : ""}
          src={bytes.url}
          playsInline
          muted={!isPlaying}
          preload="auto"
          aria-label={name}
          onError={bytes.onError}
          onLoadedMetadata={() => shouldPlay.current && play()}
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onEnded={() => setPosition(null)}
          onTimeUpdate={() =>
            isPlaying && setPosition(duration() > 0 ? (video.current?.currentTime ?? 0) / duration() : 0)
          }
          onSeeked={(event) => {
            const film = event.currentTarget
            // The pointer may have moved during the seek.
            if (position !== null && !isPlaying && Math.abs(film.currentTime - position * duration()) > 0.1) {
              film.currentTime = position * duration()
            }
          }}
        />
      )}
      <button
        type="button"
        className={`ff-play nodrag${isPlaying ? " is-playing" : ""}`}
        aria-label={isPlaying ? "Pause" : "Play"}
        onFocus={() => setActivated(true)}
        onClick={toggle}
      >
        {isPlaying ? "❚❚" : "▶"}
      </button>
      {bytes.isMissing && <MissingMedia />}
      {position !== null && (
        <>
          <i className="ff-scrub" style={{ left: `${position * 100}%` }} />
          <span className="ff-label is-at">{formatClock(position * duration())}</span>
        </>
      )}
    </span>
  )
}
