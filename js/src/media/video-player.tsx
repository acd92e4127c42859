/**
 * A video on a node: its poster, and under the pointer the moment that the pointer's place stands for. Its bytes are
 * asked for when somebody looks: the poster alone is small.
 */

import { useRef, useState } from "react"
import { useBytes } from "../bridge/use-bytes"
import { formatClock } from "../state/format"
import type { ResultCell } from "../wire/run"
import { MissingMedia } from "./preview-image"

export function VideoPlayer({ cell, name }: { cell: ResultCell; name: string }) {
  const video = useRef<HTMLVideoElement>(null)
  const [isLookedAt, setLookedAt] = useState(false)
  /** It is to play as soon as its bytes are here. */
  const isWished = useRef(false)
  const [isPlaying, setPlaying] = useState(false)
  /** Where the pointer or the playing is, 0..1; null: nowhere, the poster shows. */
  const [at, setAt] = useState<number | null>(null)
  const poster = useBytes(cell, "preview")
  const bytes = useBytes(cell, "asset", isLookedAt)
  const length = () => {
    const said = video.current?.duration
    return said !== undefined && Number.isFinite(said) ? said : (cell.duration_s ?? 0)
  }
  const scrub = (event: React.PointerEvent<HTMLElement>) => {
    setLookedAt(true)
    if (isPlaying || event.pointerType === "touch") return
    const place = event.currentTarget.getBoundingClientRect()
    const fraction = Math.min(1, Math.max(0, (event.clientX - place.left) / place.width))
    setAt(fraction)
    // One seek at a time: a decoder that is asked faster than it can answer shows nothing at all.
    if (video.current && !video.current.seeking) video.current.currentTime = fraction * length()
  }
  const play = () => {
    isWished.current = false
    // A refusal of the browser leaves it as it was.
    void video.current?.play().catch(() => setPlaying(false))
  }
  const toggle = () => {
    setLookedAt(true)
    if (isPlaying) video.current?.pause()
    else if (video.current && video.current.readyState >= HTMLMediaElement.HAVE_METADATA) play()
    else isWished.current = true
  }
  const leave = () => {
    if (isPlaying) return
    setAt(null)
  }
  const isShowing = at !== null || isPlaying
  if (bytes.isMissing && poster.isMissing) return <MissingMedia />
  return (
    <span className="ff-film" onPointerEnter={scrub} onPointerMove={scrub} onPointerLeave={leave}>
      {poster.url !== undefined && <img src={poster.url} alt={name} draggable={false} onError={poster.onError} />}
      {isLookedAt && (
        <video
          ref={video}
          className={isShowing ? "is-shown" : ""}
          src={bytes.url}
          playsInline
          muted={!isPlaying}
          preload="auto"
          aria-label={name}
          onError={bytes.onError}
          onLoadedMetadata={() => isWished.current && play()}
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onEnded={() => setAt(null)}
          onTimeUpdate={() => isPlaying && setAt(length() > 0 ? (video.current?.currentTime ?? 0) / length() : 0)}
          onSeeked={(event) => {
            const film = event.currentTarget
            // The pointer may have gone on while it looked for the moment before.
            if (at !== null && !isPlaying && Math.abs(film.currentTime - at * length()) > 0.1) {
              film.currentTime = at * length()
            }
          }}
        />
      )}
      <button
        type="button"
        className={`ff-play nodrag${isPlaying ? " is-playing" : ""}`}
        aria-label={isPlaying ? "Pause" : "Play"}
        onFocus={() => setLookedAt(true)}
        onClick={toggle}
      >
        {isPlaying ? "❚❚" : "▶"}
      </button>
      {bytes.isMissing && <MissingMedia />}
      {at !== null && (
        <>
          <i className="ff-scrub" style={{ left: `${at * 100}%` }} />
          <span className="ff-label is-at">{formatClock(at * length())}</span>
        </>
      )}
    </span>
  )
}
