"""Every recording of an official client is replayed by a test, or listed here with a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
RECORDINGS = FOLDER / "recordings"
UNUSED = {
    "fal-js-subscribe-status-stream": "the JavaScript client streams the status; polling survives a lost connection",
    "fal-run-sync": "direct calls cannot be resumed; the queue serves the same models (the simulator supports them)",
    "fal-stream-sse": "the same, as events",
    "google-imagen-predict": "retired in 2026; the client rejects them for keys without that access",
    "google-interactions-stream": "a lost stream would lose a paid answer; we poll",
    "openai-videos-create-poll-download-delete": "this API ended on 2026-09-24: its models raise RetiredModelError",
    "openai-videos-image-to-video-remix": "the same",
    "runway-organization": "the account's balance and limits are not used here",
    "replicate-run-prefer-wait": "a lost connection would lose a paid answer; we poll",
    "replicate-stream-sse": "text models, which the catalogue does not have",
}


def played() -> set[str]:
    """Recordings that a test names."""
    sources = [path.read_text() for path in FOLDER.glob("test_*.py") if path != Path(__file__)]
    names = {path.stem for path in RECORDINGS.glob("*.json")}
    return names & set(re.findall(r'"([a-z0-9-]+)"', "\n".join(sources)))


@pytest.mark.parametrize("case", sorted(path.stem for path in RECORDINGS.glob("*.json")))
def test_every_recording_is_used_or_has_a_reason(case: str) -> None:
    """No recording is unused without a reason."""
    assert (case in played()) + (case in UNUSED) == 1


def test_the_list_has_only_existing_recordings() -> None:
    """Each reason belongs to an existing recording."""
    assert set(UNUSED) <= {path.stem for path in RECORDINGS.glob("*.json")}
