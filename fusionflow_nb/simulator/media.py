"""What the simulated services make: small pictures, films and sounds of the local provider, honest procedural ones."""

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
KEPT = 500
LOCAL = {
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


class Made(NamedTuple):
    """One result."""

    content: bytes
    media_type: str


class Maker:
    """Makes media, the same for the same request; what was made is kept for the next who asks."""

    def __init__(self) -> None:
        self._local = provider()
        self._entries = {entry.provider_model_id: entry for entry in self._local.models}
        self._kept: OrderedDict[str, asyncio.Future[tuple[Made, ...]]] = OrderedDict()

    async def make(
        self, task: str, prompt: str | None, settings: dict[str, Any], media: list[bytes]
    ) -> tuple[Made, ...]:
        """As many results as the request counts.

        Raises:
            ProviderError: the local provider cannot make it (a picture to edit that is none, say).
        """
        seed = settings.get("seed")
        count = next((settings[name] for name in ("num_images", "num_outputs", "n") if name in settings), 1)
        key = repr((task, settings.get("model"), prompt, seed, [hashlib.sha256(each).hexdigest() for each in media]))
        base = int.from_bytes(hashlib.sha256(key.encode()).digest()[:3], "big")
        found = [await self._once(f"{key}#{at}", task, prompt, base + at, media) for at in range(min(10, int(count)))]
        return tuple(each for made in found for each in made)

    async def _once(self, key: str, task: str, prompt: str | None, seed: int, media: list[bytes]) -> tuple[Made, ...]:
        making = self._kept.get(key)
        if making is None:
            making = self._kept[key] = asyncio.ensure_future(self._made(task, prompt, seed, media))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return await asyncio.shield(making)

    async def _made(self, task: str, prompt: str | None, seed: int, media: list[bytes]) -> tuple[Made, ...]:
        if not media and task not in {"text-to-image", "text-to-video", "text-to-audio"}:
            raise errors.ProviderError("A picture is missing.", provider="simulator")
        entry = self._entries[LOCAL[task]]
        settings = dict(_SETTINGS.get(task, {}))
        if "seed" in entry.parameters:
            settings["seed"] = seed
        with tempfile.TemporaryDirectory(prefix="fusionflow-simulator-") as folder:
            references = {"image": [_reference(Path(folder) / str(at), each) for at, each in enumerate(media[:1])]}
            request = Request(entry, task, prompt or "", settings, references if media else {})
            begun = await self._local.submit(request, idempotency_key="")
            status: Status = Pending()
            while isinstance(begun, Operation) and isinstance(status, Pending):
                status = await self._local.poll(begun)
        if not isinstance(status, Done):
            raise errors.ProviderError(f"The local provider could not make it: {status}", provider="simulator")
        output = status.outputs[0]
        content = output.content
        if isinstance(content, Path):
            path = content
            content = await asyncio.to_thread(path.read_bytes)
            await asyncio.to_thread(path.unlink)
        return (Made(content, sniff(content) or "application/octet-stream"),)

    async def aclose(self) -> None:
        """Stop what is still being made."""
        await self._local.aclose()


def _reference(file: Path, content: bytes) -> Reference:
    file.write_bytes(content)
    media_type = sniff(content) or "application/octet-stream"
    return Reference(Asset(hashlib.sha256(content).hexdigest(), media_type, len(content)), file)
