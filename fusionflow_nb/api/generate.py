"""Generate media with one call: the same signature for every model.

    picture = await ff.generate_image("neon city at midnight", model="local/landscape", seed=7)
    picture = ff.generate_image("neon city at midnight").result()

A call is a flow of one node in the project `scratch` and uses the same journal, cache, budget and tape. Repeating a
call returns the cached result; `take=2` or `seed=ff.random` requests another result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from fusionflow_nb.api.flow import Flow
from fusionflow_nb.api.random import random
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.plan.keys import derived_seed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.media.handles import Audio, Image, Video

T = TypeVar("T")
SCRATCH = "scratch"


class PendingResult(Generic[T]):
    """A running call: `await` it or call `.result()`. A cell displays its progress, then the result."""

    def __init__(self, run: RunHandle) -> None:
        self.run = run

    def result(self, timeout_s: float | None = None) -> T:
        """Wait for the result and return it.

        Raises:
            JobError: the job was refused, failed, timed out or lacked funds; each has its own subclass.
            OverBudgetError: the call would exceed a cap; nothing was sent.
        """
        self.run.wait(timeout_s)
        return self._result()

    def __await__(self) -> Generator[Any, None, T]:
        yield from self.run.ended().__await__()
        return self._result()

    def cancel(self) -> None:
        """Cancel the call, also at the service."""
        self.run.cancel()

    def _result(self) -> T:
        if self.run.errors:
            raise self.run.errors[0]
        return cast("T", self.run.result())

    def _ipython_display_(self) -> None:
        self.run._ipython_display_()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - IPython passes include and exclude
        return self.run._repr_mimebundle_()

    def __repr__(self) -> str:
        return f"<Call: {self.run.status}>"


def generate_image(
    prompt: str,
    model: str | None = None,
    *,
    references: list[Image | str | Path] | None = None,
    **settings: Any,  # noqa: ANN401
) -> PendingResult[Image]:
    """Generate a picture from a prompt.

    Args:
        prompt: describes the picture.
        model: id or alias (see `ff.models()`); by default a model that needs no key.
        references: reference pictures, for models that accept them.
        settings: `width`, `height` (pixels), `seed`, `count`, `negative_prompt` ... and the model's own settings.
            Native fields of the service go in `settings={"num_inference_steps": 28}`; fields that the catalogue does
            not list go in `settings={"fields": {...}}` and are sent unchanged. `strict=False` drops settings that the
            model does not support, with a warning; `fallback=["replicate/..."]` lists models to use while the service
            is unavailable; `reduce=True` scales down pictures that exceed the model's limit.

    Raises:
        UnknownModelError, SettingError: unknown model or setting; the hint lists the choices.

    >>> picture = generate_image("dawn over hills", width=128, height=96).result()
    >>> picture.width, picture.height
    (128, 96)
    """
    return _call("generate_image", prompt=prompt, model=model, references=references, **settings)


def edit_image(
    image: Image | str | Path,
    prompt: str,
    model: str | None = None,
    *,
    mask: Image | str | Path | None = None,
    **settings: Any,  # noqa: ANN401
) -> PendingResult[Image]:
    """Edit a picture by a prompt; a mask limits the edit to its white area."""
    return _call("edit_image", image=image, prompt=prompt, model=model, mask=mask, **settings)


def upscale(image: Image | str | Path, model: str | None = None, **settings: Any) -> PendingResult[Image]:  # noqa: ANN401
    """Enlarge a picture."""
    return _call("upscale", image=image, model=model, **settings)


def remove_background(image: Image | str | Path, model: str | None = None, **settings: Any) -> PendingResult[Image]:  # noqa: ANN401
    """Remove the background of a picture; it becomes transparent."""
    return _call("remove_background", image=image, model=model, **settings)


def generate_video(
    prompt: str | None = None,
    model: str | None = None,
    *,
    image: Image | str | Path | None = None,
    **settings: Any,  # noqa: ANN401
) -> PendingResult[Video]:
    """Generate a video from a prompt, a picture, or both. `duration_s` in seconds, `fps` in frames per second."""
    return _call("generate_video", prompt=prompt, model=model, image=image, **settings)


def generate_audio(prompt: str, model: str | None = None, **settings: Any) -> PendingResult[Audio]:  # noqa: ANN401
    """Generate speech, music or a sound from a text. `duration_s` in seconds."""
    return _call("generate_audio", prompt=prompt, model=model, **settings)


def _call(
    node_type: str,
    *,
    take: int = 0,
    unpriced: float | None = None,
    confirmed: bool = False,
    **arguments: Any,  # noqa: ANN401
) -> PendingResult[Any]:
    flow = Flow(SCRATCH, id=SCRATCH)
    inputs = {name: value for name, value in arguments.items() if value is not None}
    node = flow.add(node_type, name=node_type, take=take, **inputs)
    has_seed = inputs.get("seed") is not None or inputs.get("seed") is random
    _derive_seed(flow, node_type, has_seed=has_seed, take=take)
    return PendingResult(flow.run(node, unpriced=unpriced, confirmed=confirmed))


def _derive_seed(flow: Flow, node_id: str, *, has_seed: bool, take: int) -> None:
    """Derive the seed of a single call from model, prompt and settings, because its node id is not unique."""
    node = flow.document.nodes[node_id]
    if has_seed or "seed" not in node.params or flow.node_type(node_id).kind is not Kind.PROVIDER:
        return
    rest = {name: value for name, value in node.params.items() if name not in {"seed", "model", "prompt"}}
    seed = derived_seed(node.params.get("model"), node.params.get("prompt"), rest, *([take] if take else []))
    flow.set(node_id, seed=seed)
