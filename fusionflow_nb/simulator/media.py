"""Media of the simulated services: small procedural images, videos and sounds from the local provider."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.media.values import Asset
from fusionflow_nb.providers.local import provider
from fusionflow_nb.providers.protocol import Done, Operation, Pending, Reference, Request

if TYPE_CHECKING:
    from fusionflow_nb.providers.protocol import Status

SIDE_PX = 128
SECONDS = 1.0
CACHE_SIZE = 500
LOCAL_MODELS = {
    "text-to-image": "landscape",
    "edit-image": "recolor",
    "upscale": "upscale-lanczos",
    "text-to-video": "animate",
    "image-to-video": "ken-burns",
    "text-to-audio": "ambient",
    "remove-background": "backdrop",
}
_PIXELS = {"width": SIDE_PX, "height": SIDE_PX}
_SETTINGS: dict[str, dict[str, Any]] = {
    "text-to-image": _PIXELS,
    "upscale": {"factor": 2.0},
    "text-to-video": {**_PIXELS, "duration_s": SECONDS, "fps": 12.0},
    "image-to-video": {**_PIXELS, "duration_s": SECONDS, "fps": 12.0},
    "text-to-audio": {"duration_s": 2.0},
}


class GeneratedMedia(NamedTuple):
    """The content and media type of one output."""

    content: bytes
    media_type: str


class MediaGenerator:
    """Generates media, equal for equal requests; results are cached."""

    def __init__(self) -> None:
        self._local = provider()
        self._entries = {entry.provider_model_id: entry for entry in self._local.models}
        self._cache: OrderedDict[str, asyncio.Future[tuple[GeneratedMedia, ...]]] = OrderedDict()

    async def generate(
        self, task: str, prompt: str | None, settings: dict[str, Any], media: list[bytes]
    ) -> tuple[GeneratedMedia, ...]:
        """Generate as many results as the request's count.

        Raises:
            ProviderError: the local provider fails, for example because an input is not a picture.
        """
        seed = settings.get("seed")
        count = next((settings[name] for name in ("num_images", "num_outputs", "n") if name in settings), 1)
        key = repr(
            (task, settings.get("model"), prompt, seed, [hashlib.sha256(content).hexdigest() for content in media])
        )
        base = int.from_bytes(hashlib.sha256(key.encode()).digest()[:3], "big")
        results = [
            await self._cached(f"{key}#{index}", task, prompt, base + index, media)
            for index in range(min(10, int(count)))
        ]
        return tuple(item for result in results for item in result)

    async def _cached(
        self, key: str, task: str, prompt: str | None, seed: int, media: list[bytes]
    ) -> tuple[GeneratedMedia, ...]:
        future = self._cache.get(key)
        if future is None:
            future = self._cache[key] = asyncio.ensure_future(self._compute(task, prompt, seed, media))
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return await asyncio.shield(future)

    async def _compute(
        self, task: str, prompt: str | None, seed: int, media: list[bytes]
    ) -> tuple[GeneratedMedia, ...]:
        if not media and task not in {"text-to-image", "text-to-video", "text-to-audio"}:
            raise errors.ProviderError("A picture is missing.", provider="simulator")
        entry = self._entries[LOCAL_MODELS[task]]
        settings = dict(_SETTINGS.get(task, {}))
        if "seed" in entry.parameters:
            settings["seed"] = seed
        with tempfile.TemporaryDirectory(prefix="fusionflow-simulator-") as folder:
            references = {
                "image": [_reference(Path(folder) / str(index), content) for index, content in enumerate(media[:1])]
            }
            request = Request(entry, task, prompt or "", settings, references if media else {})
            operation = await self._local.submit(request, idempotency_key="")
            status: Status = Pending()
            while isinstance(operation, Operation) and isinstance(status, Pending):
                status = await self._local.poll(operation)
        if not isinstance(status, Done):
            raise errors.ProviderError(f"The local provider could not make it: {status}", provider="simulator")
        output = status.outputs[0]
        content = output.content
        if isinstance(content, Path):
            path = content
            content = await asyncio.to_thread(path.read_bytes)
            await asyncio.to_thread(path.unlink)
        return (GeneratedMedia(content, sniff(content) or "application/octet-stream"),)

    async def aclose(self) -> None:
        """Stop running computations."""
        await self._local.aclose()


def _reference(file: Path, content: bytes) -> Reference:
    file.write_bytes(content)
    media_type = sniff(content) or "application/octet-stream"
    return Reference(Asset(hashlib.sha256(content).hexdigest(), media_type, len(content)), file)
