"""Description of an adapter for the contract suite: how to create it, what it offers, how it reports errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.providers.model import Task
    from fusionflow_nb.providers.protocol import Provider
    from fusionflow_nb.simulator.scenario import World
    from fusionflow_nb.simulator.server import SimulatedService


@dataclass(frozen=True)
class Adapter:
    """An adapter under test. The suite skips what it does not offer.

    Args:
        create: creates the adapter, without arguments, as its entry point does.
        image: the service's id of a model for text-to-image; None if it has no such model.
        edit: model for edit-image.
        video: model for image-to-video.
        upscale: model for upscale.
        audio: model for text-to-audio.
        is_queue: whether a submit returns an operation to poll; False if the response contains the result.
        has_output_urls: whether outputs are downloaded from URLs; False if they are part of the response.
        refusal: `Refused`; `Failed` if only the text of an error distinguishes a refusal.
        no_funds: `NoFunds`; `Failed` if the service does not distinguish an empty account from other errors.
        can_cancel: whether running work can be cancelled.
        reports_progress: whether the service reports a queue position, a fraction or a preview.
        simulated_service: the simulated service, if this package does not contain it: created with the simulator's
            world and the tasks of its models, it returns routes below `/<name>/`.
    """

    create: Callable[[], Provider]
    image: str | None = None
    edit: str | None = None
    video: str | None = None
    upscale: str | None = None
    audio: str | None = None
    is_queue: bool = True
    has_output_urls: bool = True
    refusal: str = "Refused"
    no_funds: str = "NoFunds"
    can_cancel: bool = True
    reports_progress: bool = True
    simulated_service: Callable[[World, dict[str, str]], SimulatedService] | None = None

    def models(self) -> dict[Task, str]:
        """Return the models to test, by task."""
        by_task: dict[Task, str | None] = {
            "text-to-image": self.image,
            "edit-image": self.edit,
            "image-to-video": self.video,
            "upscale": self.upscale,
            "text-to-audio": self.audio,
        }
        return {task: model for task, model in by_task.items() if model is not None}

    def first_model(self) -> tuple[str, Task]:
        """Return a model and its task, preferring a task without input media."""
        models = self.models()
        task: Task = next(name for name in ("text-to-image", "text-to-audio", *models) if name in models)
        return models[task], task
