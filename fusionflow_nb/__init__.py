"""FusionFlow for notebooks: build flows of generative media and run them; paid results are never lost.

    import fusionflow_nb as ff

    still = ff.generate_image("neon city at midnight").result()
    ff.tape.sql("SELECT model, count(*), sum(cost_computation) FROM generations GROUP BY ALL")

Public names are imported on first use, so that importing the package is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionflow_nb import errors, tape
    from fusionflow_nb.api.budget import budget
    from fusionflow_nb.api.connect import connect
    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.api.generate import (
        edit_image,
        generate_audio,
        generate_image,
        generate_video,
        remove_background,
        upscale,
    )
    from fusionflow_nb.api.models import models
    from fusionflow_nb.api.node import node
    from fusionflow_nb.api.operations import operations
    from fusionflow_nb.api.random import random
    from fusionflow_nb.api.recipe import recipe
    from fusionflow_nb.api.resume import resume
    from fusionflow_nb.canvas.widget import Canvas
    from fusionflow_nb.catalog.context import Context
    from fusionflow_nb.errors import FusionFlowError
    from fusionflow_nb.media.batch import Batch
    from fusionflow_nb.media.handles import Audio, Image, Mask, Video

__version__ = "0.1.0"

_MODULES = {
    "Audio": "media.handles",
    "Batch": "media.batch",
    "Canvas": "canvas.widget",
    "Context": "catalog.context",
    "Flow": "api.flow",
    "FusionFlowError": "errors",
    "Image": "media.handles",
    "Mask": "media.handles",
    "Video": "media.handles",
    "budget": "api.budget",
    "connect": "api.connect",
    "edit_image": "api.generate",
    "errors": "errors",
    "generate_audio": "api.generate",
    "generate_image": "api.generate",
    "generate_video": "api.generate",
    "models": "api.models",
    "node": "api.node",
    "operations": "api.operations",
    "random": "api.random",
    "recipe": "api.recipe",
    "remove_background": "api.generate",
    "resume": "api.resume",
    "tape": "tape",
    "upscale": "api.generate",
}

__all__ = [
    "Audio",
    "Batch",
    "Canvas",
    "Context",
    "Flow",
    "FusionFlowError",
    "Image",
    "Mask",
    "Video",
    "budget",
    "connect",
    "edit_image",
    "errors",
    "generate_audio",
    "generate_image",
    "generate_video",
    "models",
    "node",
    "operations",
    "random",
    "recipe",
    "remove_background",
    "resume",
    "tape",
    "upscale",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    path = _MODULES.get(name)
    if path is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module = importlib.import_module(f"{__name__}.{path}")
    if path == "tape":
        importlib.import_module(f"{__name__}.session")  # binds the tape to the journal
    value = module if path == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ipython: Any) -> None:  # noqa: ANN401 - an IPython shell
    """Register the `%%tape` magic; called by `%load_ext fusionflow_nb`."""
    from fusionflow_nb.tape.magic import load_ipython_extension as load  # noqa: PLC0415

    load(ipython)
