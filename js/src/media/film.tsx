/** A video on a node: its poster, and under the pointer the moment that the pointer's place stands for. */

import { useRef, useState } from "react"

export function Film({ url, poster, duration }: { url: string; poster?: string; duration: number | null }) {
  const video = useRef<HTMLVideoElement>(null)
  const [at, setAt] = useState<number | null>(null)
  const seek = (event: React.PointerEvent<HTMLElement>) => {
    const place = event.currentTarget.getBoundingClientRect()
    const fraction = Math.min(1, Math.max(0, (event.clientX - place.left) / place.width))
    const length = video.current?.duration || duration || 0
    if (video.current && Number.isFinite(length)) video.current.currentTime = fraction * length
    setAt(fraction)
  }
  return (
    <span className="ff-film" onPointerMove={seek} onPointerLeave={() => setAt(null)}>
      <video ref={video} src={at === null ? undefined : url} poster={poster} muted playsInline preload="none" />
      {at !== null && <i className="ff-scrub" style={{ left: `${at * 100}%` }} />}
    </span>
  )
}
