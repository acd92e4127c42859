"""The flow and the query of `fusionflow demo`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionflow_nb.api.flow import Flow
from fusionflow_nb.display import extension

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.run import RunHandle

QUERY = """\
SELECT node_id AS node, coalesce(model, node_type) AS "made by",
       left(prompt_snapshot, 28) AS prompt, seed,
       round(epoch(finished_at - started_at), 1) AS seconds,
       cost_computation AS usd
FROM generations ORDER BY finished_at"""
"""The query and its result fit into 80 columns."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Paths of the demo's main results."""

    still: Path
    film: Path
    sheet: Path


def build() -> Flow:
    """Build the demo's flow: a still that is edited, upscaled and animated, and a separate sweep.

    >>> build()
    <Flow 'Neon city': 10 nodes, 8 edges>
    """
    flow = Flow("Neon city", variables={"time": "midnight"})
    prompt = flow.text("neon city at {{time}}, wet streets, stars", name="prompt")
    still = flow.generate_image(prompt, model="local/landscape", width=480, height=270, seed=7, name="still")
    moody = flow.edit_image(
        still, "cool violet night, gentle", model="local/recolor", strength=0.3, seed=7, name="moody"
    )
    large = flow.upscale(moody, name="large")
    flow.text_overlay(large, "FusionFlow", position="bottom-right", size=0.07, name="titled")
    flow.generate_video(image=large, model="local/ken-burns", width=960, height=540, duration_s=3, seed=7, name="film")

    prompts = flow.prompts(
        ["aurora over a pine forest", "desert dunes at sunset", "misty mountains at dawn"], name="prompts"
    )
    seeds = flow.seeds([7, 21], name="seeds")
    sweep = flow.generate_image(prompts, model="local/landscape", width=288, height=192, seed=seeds, name="sweep")
    flow.contact_sheet(images=sweep, title="Three prompts, two seeds", name="sheet")
    return flow


def save(run: RunHandle, folder: Path) -> Saved:
    """Save the main results in `folder` and all results in `folder/all`, which is emptied first."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "all", ignore_errors=True)
    run.save(folder / "all")
    film = run["film"]
    return Saved(
        still=run["titled"].save(folder / "still.png"),
        film=film.save(folder / f"film{extension(film.asset.media_type)}"),  # WebP without the extra `video`
        sheet=run["sheet"].save(folder / "sheet.png"),
    )
