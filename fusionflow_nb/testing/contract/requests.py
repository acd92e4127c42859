"""How the suite asks: requests for an adapter's models, polls to the end, small media to work on."""

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
"""More than any simulated job takes: a poll that never ends is a failed test, not a test that never ends."""


def asked(
    service: Provider,
    model: str,
    task: str = "text-to-image",
    prompt: str = "hills",
    **facts: Any,  # noqa: ANN401 - fields of a Request, and settings
) -> Request:
    """A request for one of an adapter's models, its settings checked as the engine checks them."""
    [entry] = [each for each in service.models if each.provider_model_id == model]
    settings = entry.check_settings(facts.pop("settings", {}))
    return Request(entry, task, prompt, settings, **facts)


async def ended(
    service: Provider, begun: Operation | Status, told: Callable[[Pending], Any] = lambda _: None
) -> Status:
    """Poll to the end. A new adapter does it: an Operation alone is enough, in a fresh process, too."""
    if not isinstance(begun, Operation):
        return begun
    fresh = type(service)()
    operation = Operation(json.loads(json.dumps(begun.data)))
    try:
        for _ in range(POLLS):
            status = await fresh.poll(operation)
            if not isinstance(status, Pending):
                return status
            told(status)
        raise AssertionError(f"Not done after {POLLS} polls.")
    finally:
        await fresh.aclose()


def taken(output: Output) -> bytes:
    """The bytes of an output; its file is removed, as the engine does."""
    if isinstance(output.content, bytes):
        return output.content
    content = output.content.read_bytes()
    output.content.unlink()
    return content


def picture(folder: Path, side: int = 48, *, noise: bool = False) -> Reference:
    """A square PNG: plain and small, or noise, which does not compress."""
    from PIL import Image  # noqa: PLC0415 - only where a picture is made

    image = Image.effect_noise((side, side), 90).convert("RGB") if noise else Image.new("RGB", (side, side), "teal")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    file = folder / f"{side}.png"
    file.write_bytes(buffer.getvalue())
    size = len(buffer.getvalue())
    return Reference(Asset(hashlib.sha256(buffer.getvalue()).hexdigest(), "image/png", size, side, side), file)


def kind_of(output: Output) -> tuple[str, str]:
    """The port, and what the bytes are: `("image", "image")`, `("audio", "audio")`; the output is taken."""
    content = taken(output)
    media_type = sniff(content) or "nothing known"
    assert output.media_type == media_type, f"called {output.media_type}, and it is {media_type}"
    return output.port, media_type.partition("/")[0]


def asked_for(
    service: Provider,
    model: str,
    task: Task,
    folder: Path,
    *,
    large: bool = False,
    **facts: Any,  # noqa: ANN401 - fields of a Request
) -> Request:
    """A request with the media that its task works on."""
    prompt = facts.pop("prompt", "hills")
    if task.startswith("text-to"):
        return asked(service, model, task, prompt, **facts)
    medium = picture(folder, 640, noise=True) if large else picture(folder)
    return asked(service, model, task, prompt, references={"image": [medium]}, **facts)
