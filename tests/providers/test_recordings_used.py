"""Every recording of an official client is played back, or it stands here why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
RECORDINGS = FOLDER / "recordings"
UNUSED = {
    "fal-js-subscribe-status-stream": "how its JavaScript client waits; we poll, which survives a broken connection",
    "fal-run-sync": "direct calls cannot be resumed; the queue serves the same models (the simulator speaks them)",
    "fal-stream-sse": "the same, as events",
    "google-imagen-predict": "models that ended in 2026; its client refuses them for keys like ours",
    "google-interactions-stream": "a stream is one more way to lose an answer that cost money; we poll",
    "openai-videos-create-poll-download-delete": "an API that ended on 2026-09-24: its models raise RetiredModelError",
    "openai-videos-image-to-video-remix": "the same",
    "runway-organization": "the account's balance and limits, which nothing here asks for",
    "replicate-run-prefer-wait": "a held connection is one more way to lose an answer that cost money; we poll",
    "replicate-stream-sse": "streams of text models; none of the catalogue's models makes text",
}


def played() -> set[str]:
    """Recordings that a test names."""
    sources = [path.read_text() for path in FOLDER.glob("test_*.py") if path != Path(__file__)]
    names = {path.stem for path in RECORDINGS.glob("*.json")}
    return names & set(re.findall(r'"([a-z0-9-]+)"', "\n".join(sources)))


@pytest.mark.parametrize("case", sorted(path.stem for path in RECORDINGS.glob("*.json")))
def test_it_is_played_or_says_why_not(case: str) -> None:
    """No recording lies here unread."""
    assert (case in played()) + (case in UNUSED) == 1


def test_the_list_names_what_is_there() -> None:
    """A reason without a recording is left over."""
    assert set(UNUSED) <= {path.stem for path in RECORDINGS.glob("*.json")}
