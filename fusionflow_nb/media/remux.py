"""Replace the audio of a video; its video stream is copied without decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.media.container import open_media, playable, seconds, write_errors
from fusionflow_nb.media.encode import SoundTrack, open_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def replace_sound(
    video: Path,
    sound: Iterable[NDArray[np.float32]],
    output: Path,
    *,
    duration_s: float,
    tick: Callable[[float], None],
) -> None:
    """Write the video stream of a WebM, MP4 or Matroska `video` with `sound` to `output`, in the same container.

    Args:
        video: the source; its own audio is dropped.
        sound: blocks of samples (n, 2) at SOUND_RATE; cut to the duration of the video.
        output: the file to write.
        duration_s: of the video, for progress and the cut.
        tick: called after each packet with the fraction done; may raise to stop.

    Raises:
        MediaError: the video or the audio is damaged.
        StoreError: the file cannot be written.
        MissingExtraError: PyAV is not installed.
    """
    with open_media(video) as source:
        pictures = playable(source.streams.video)[0]
        is_mp4 = "mp4" in source.format.name
        target = open_output(
            output, "mp4" if is_mp4 else "webm" if _is_webm(pictures.codec_context.name) else "matroska"
        )
        try:
            copied = target.add_stream_from_template(pictures)
            track = SoundTrack(target, "aac" if is_mp4 else "libopus", sound, output)
            for name, text in source.metadata.items():
                if name.lower() == "comment":
                    target.metadata["comment"] = text
            done_s = 0.0
            for packet in source.demux(pictures):
                if packet.dts is None:
                    continue
                start_s = seconds(packet.pts, packet.time_base) or 0.0
                packet.stream = copied
                with write_errors(output):
                    target.mux(packet)
                done_s = max(done_s, min(start_s, duration_s))
                track.feed(done_s)
                tick(0.99 * done_s / duration_s)
            track.feed(duration_s)
            track.finish()
        finally:
            with write_errors(output):
                target.close()
    tick(1.0)


def _is_webm(codec: str) -> bool:
    return codec.removeprefix("lib").startswith(("vp8", "vp9", "vpx", "av1", "dav1d"))
