/** A sound on a node: its waveform, and a button that plays it. */

import { useRef, useState } from "react"
import { clock } from "../state/money"

export function Sound({ url, peaks, duration }: { url: string; peaks: number[]; duration: number | null }) {
  const audio = useRef<HTMLAudioElement>(null)
  const [isPlaying, setPlaying] = useState(false)
  const [at, setAt] = useState(0)
  const toggle = () => {
    if (isPlaying) audio.current?.pause()
    else void audio.current?.play()
  }
  const length = duration ?? audio.current?.duration ?? 0
  return (
    <span className="ff-sound">
      <button type="button" className="ff-icon nodrag" aria-label={isPlaying ? "Pause" : "Play"} onClick={toggle}>
        {isPlaying ? "❚❚" : "▶"}
      </button>
      <span className="ff-wave" aria-hidden="true">
        {peaks.map((peak, index) => (
          <i
            // biome-ignore lint/suspicious/noArrayIndexKey: a peak is its place
            key={index}
            className={index / peaks.length < at ? "is-past" : ""}
            style={{ height: `${8 + peak * 92}%` }}
          />
        ))}
      </span>
      <span className="ff-mono">{clock(length)}</span>
      {/* biome-ignore lint/a11y/useMediaCaption: generated sounds have no captions */}
      <audio
        ref={audio}
        src={url}
        preload="none"
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onTimeUpdate={(event) => setAt(event.currentTarget.currentTime / (event.currentTarget.duration || 1))}
      />
    </span>
  )
}
