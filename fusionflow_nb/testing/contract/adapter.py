"""What the suite must know of an adapter: how it is made, what its service offers, how it tells its bad days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.providers.model import Task
    from fusionflow_nb.providers.protocol import Provider
    from fusionflow_nb.simulator.scenario import World
    from fusionflow_nb.simulator.server import Side


@dataclass(frozen=True)
class Adapter:
    """One adapter. The suite asks what is offered and skips the rest.

    Args:
        make: makes one, without arguments, as its entry point does.
        image: the model (as its service calls it) for pictures from a prompt; None where there is none.
        edit: likewise, for a picture changed.
        film: for a film out of a picture.
        upscale: for a larger picture.
        audio: for sound from a prompt.
        is_queue: whether there is something to poll; False where the answer to the submit is the result.
        fetches: whether outputs lie at addresses of their own; False where they come in an answer.
        refusal: `Refused`; `Failed` where the service tells a refusal by its text alone.
        no_funds: `NoFunds`; `Failed` where the service does not tell an empty account from others.
        cancels: whether running work can be stopped.
        tells: whether the service says anything on the way (a place in the queue, a fraction, a partial picture).
        side: the simulated service, where this package brings none: made with the simulator's world and the tasks of
            its models, it gives routes below `/<name>/`.
    """

    make: Callable[[], Provider]
    image: str | None = None
    edit: str | None = None
    film: str | None = None
    upscale: str | None = None
    audio: str | None = None
    is_queue: bool = True
    fetches: bool = True
    refusal: str = "Refused"
    no_funds: str = "NoFunds"
    cancels: bool = True
    tells: bool = True
    side: Callable[[World, dict[str, str]], Side] | None = None

    def models(self) -> dict[Task, str]:
        """The models to try, by task."""
        named: dict[Task, str | None] = {
            "text-to-image": self.image,
            "edit-image": self.edit,
            "image-to-video": self.film,
            "upscale": self.upscale,
            "text-to-audio": self.audio,
        }
        return {task: model for task, model in named.items() if model is not None}

    def first(self) -> tuple[str, Task]:
        """A model and its task, for whatever needs just one: one that needs no medium, where there is one."""
        models = self.models()
        task: Task = next(each for each in ("text-to-image", "text-to-audio", *models) if each in models)
        return models[task], task
