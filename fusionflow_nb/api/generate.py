"""The Universal API: one call, one signature, whoever serves the model.

    picture = await ff.generate_image("neon city at midnight", model="local/landscape", seed=7)
    picture = ff.generate_image("neon city at midnight").result()

A call is a flow of one node in the project `scratch`: the same journal, cache, budget and tape. The same call twice is
one submission; `take=2` or `seed=ff.random` asks for another result.
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
    """A call under way: `await` it, or take its `.result()`. In a cell it shows progress, then the result."""

    def __init__(self, run: RunHandle) -> None:
        self.run = run

    def result(self, timeout_s: float | None = None) -> T:
        """Block until it is there.

        Raises:
            JobError: refused, failed, no funds, timed out: its own class each.
            OverBudgetError: it would pass a cap; nothing was sent.
        """
        self.run.wait(timeout_s)
        return self._given()

    def __await__(self) -> Generator[Any, None, T]:
        yield from self.run.ended().__await__()
        return self._given()

    def cancel(self) -> None:
        """Stop it; the service is asked to stop too."""
        self.run.cancel()

    def _given(self) -> T:
        failed = self.run.errors
        if failed:
            raise failed[0]
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
    """A picture from a prompt.

    Args:
        prompt: what to show.
        model: id or alias (`ff.models()` lists them); by default one that runs without keys.
        references: pictures to go by, for models that take them.
        settings: `width`, `height` (pixels), `seed`, `count`, `negative_prompt` ... and the model's own. Fields in the
            service's words go in `settings={"num_inference_steps": 28}`; one that our catalogue does not know in
            `settings={"fields": {...}}`, which is sent as it is. `strict=False` leaves out what the model lacks, with a
            warning; `fallback=["replicate/..."]` names models that stand in while the service is out;
            `reduce=True` lets pictures be made smaller that are too large for it.

    Raises:
        UnknownModelError, SettingError: what there is instead.

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
    """A picture changed as the prompt says; a mask (white: here) limits where."""
    return _call("edit_image", image=image, prompt=prompt, model=model, mask=mask, **settings)


def upscale(image: Image | str | Path, model: str | None = None, **settings: Any) -> PendingResult[Image]:  # noqa: ANN401
    """The same picture with more pixels."""
    return _call("upscale", image=image, model=model, **settings)


def remove_background(image: Image | str | Path, model: str | None = None, **settings: Any) -> PendingResult[Image]:  # noqa: ANN401
    """The subject alone, on a transparent ground."""
    return _call("remove_background", image=image, model=model, **settings)


def generate_video(
    prompt: str | None = None,
    model: str | None = None,
    *,
    image: Image | str | Path | None = None,
    **settings: Any,  # noqa: ANN401
) -> PendingResult[Video]:
    """A video from a prompt, from a picture, or both. `duration_s` in seconds, `fps` in frames per second."""
    return _call("generate_video", prompt=prompt, model=model, image=image, **settings)


def generate_audio(prompt: str, model: str | None = None, **settings: Any) -> PendingResult[Audio]:  # noqa: ANN401
    """Speech, music or a sound from a text. `duration_s` in seconds."""
    return _call("generate_audio", prompt=prompt, model=model, **settings)


def _call(
    node_type: str,
    *,
    take: int = 0,
    unpriced: float | None = None,
    confirmed: bool = False,
    **given: Any,  # noqa: ANN401
) -> PendingResult[Any]:
    flow = Flow(SCRATCH, id=SCRATCH)
    inputs = {name: value for name, value in given.items() if value is not None}
    node = flow.add(node_type, name=node_type, take=take, **inputs)
    _settle_seed(flow, node_type, is_given=inputs.get("seed") is not None or inputs.get("seed") is random, take=take)
    return PendingResult(flow.run(node, unpriced=unpriced, confirmed=confirmed))


def _settle_seed(flow: Flow, node_id: str, *, is_given: bool, take: int) -> None:
    """A bare call has no node to derive its seed from: it takes model, prompt and settings."""
    node = flow.document.nodes[node_id]
    if is_given or "seed" not in node.params or flow.node_type(node_id).kind is not Kind.PROVIDER:
        return
    rest = {name: value for name, value in node.params.items() if name not in {"seed", "model", "prompt"}}
    seed = derived_seed(node.params.get("model"), node.params.get("prompt"), rest, *([take] if take else []))
    flow.set(node_id, seed=seed)
