"""Helpers of the contract suites: build requests, poll to the end, read outputs, create input media."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.media.values import Asset
from fusionflow_nb.providers.protocol import Operation, Pending, Reference, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.providers.model import Task
    from fusionflow_nb.providers.protocol import Output, Provider, Status

POLLS = 200
"""Maximum number of polls; more than any simulated job needs."""


def make_request(
    service: Provider,
    model: str,
    task: str = "text-to-image",
    prompt: str = "hills",
    **facts: Any,  # noqa: ANN401 - fields of a Request, and settings
) -> Request:
    """Return a request for one of an adapter's models; settings are checked as in the engine."""
    [entry] = [entry for entry in service.models if entry.provider_model_id == model]
    settings = entry.check_settings(facts.pop("settings", {}))
    return Request(entry, task, prompt, settings, **facts)


async def poll_until_done(
    service: Provider, submitted: Operation | Status, on_pending: Callable[[Pending], Any] = lambda _: None
) -> Status:
    """Poll to the end with a new adapter, which has only the Operation, as after a restart."""
    if not isinstance(submitted, Operation):
        return submitted
    other = type(service)()
    operation = Operation(json.loads(json.dumps(submitted.data)))
    try:
        for _ in range(POLLS):
            status = await other.poll(operation)
            if not isinstance(status, Pending):
                return status
            on_pending(status)
        raise AssertionError(f"Not done after {POLLS} polls.")
    finally:
        await other.aclose()


def read_output(output: Output) -> bytes:
    """Return the content of an output and delete its file, as the engine does."""
    if isinstance(output.content, bytes):
        return output.content
    content = output.content.read_bytes()
    output.content.unlink()
    return content


def make_picture(folder: Path, side: int = 48, *, noise: bool = False) -> Reference:
    """Create a square PNG: one colour, or noise, which does not compress."""
    from PIL import Image  # noqa: PLC0415 - not needed by every adapter

    image = Image.effect_noise((side, side), 90).convert("RGB") if noise else Image.new("RGB", (side, side), "teal")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    file = folder / f"{side}.png"
    file.write_bytes(buffer.getvalue())
    size = len(buffer.getvalue())
    return Reference(Asset(hashlib.sha256(buffer.getvalue()).hexdigest(), "image/png", size, side, side), file)


def port_and_kind(output: Output) -> tuple[str, str]:
    """Return the port and the detected kind of an output, for example `("image", "image")`; reads the output."""
    content = read_output(output)
    media_type = sniff(content) or "unknown"
    assert output.media_type == media_type, f"declared {output.media_type}, detected {media_type}"
    return output.port, media_type.partition("/")[0]


def make_task_request(
    service: Provider,
    model: str,
    task: Task,
    folder: Path,
    *,
    large: bool = False,
    **facts: Any,  # noqa: ANN401 - fields of a Request
) -> Request:
    """Return a request with the input media of its task."""
    prompt = facts.pop("prompt", "hills")
    if task.startswith("text-to"):
        return make_request(service, model, task, prompt, **facts)
    medium = make_picture(folder, 640, noise=True) if large else make_picture(folder)
    return make_request(service, model, task, prompt, references={"image": [medium]}, **facts)
