"""What surrounds a flow on the canvas: node types, models, templates, the filmstrip, budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.api.budget import current_caps
from fusionflow_nb.canvas import catalog_payload
from fusionflow_nb.canvas.tape_payload import generation_facts, tape_facts
from fusionflow_nb.canvas.templates import declare_examples, templates
from fusionflow_nb.session import current_session
from fusionflow_nb.settings.credentials import has_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.canvas import wire
    from fusionflow_nb.media.values import Asset

FRAMES = 60
"""Frames of the filmstrip per message."""
_LABELS = {"run": "a run", "day": "today", "month": "this month"}


class Environment:
    """Reads the current state from the session, in wire form.

    Args:
        project_id: id of the flow.
        urls: returns `{url, preview_url}` of an asset.
    """

    def __init__(self, project_id: str, urls: Callable[[Asset], dict[str, str]]) -> None:
        self._project_id = project_id
        self._urls = urls
        declare_examples(current_session().catalog)

    def snapshot(self) -> wire.Surroundings:
        """All of it, for a view that starts."""
        return {
            "catalog": self.catalog(),
            "models": self.models(),
            "templates": templates(),
            "tape": self.tape("flow"),
            "budgets": self.budgets(),
        }

    def catalog(self) -> list[wire.NodeType]:
        """Every node type."""
        catalog = current_session().catalog
        return [catalog_payload.node_type_facts(catalog.get(name)) for name in catalog]

    def models(self) -> list[wire.Model]:
        """Every model that the user can choose."""
        entries = current_session().registry.entries()
        return [catalog_payload.model_facts(entry, has_key=has_key(entry.provider)) for entry in entries]

    def tape(self, of: str, before: str | None = None) -> wire.Tape:
        """Frames of the filmstrip, newest first, and totals."""
        return tape_facts(
            current_session().tape,
            project_id=self._project_id if of == "flow" else None,
            before=before,
            limit=FRAMES,
            urls=self._urls,
        )

    def generation(self, generation_id: str) -> wire.GenerationFacts:
        """Recorded facts of a generation."""
        return generation_facts(current_session().tape, generation_id, self._urls)

    def budgets(self) -> list[wire.Budget]:
        """Use of each budget cap, reservations included; the cap of a run has no spending yet."""
        budgets: list[wire.Budget] = []
        for cap in current_caps(current_session(), self._project_id):
            label = _LABELS.get(cap.scope, "project" if cap.scope.endswith(f":{self._project_id}") else None)
            if label is None or cap.cap_usd is None:
                continue
            spent = round(((cap.spent_usd or 0.0) + (cap.reserved_usd or 0.0)) * 1e6)
            budgets.append({"label": label, "spent_micro_usd": spent, "cap_micro_usd": round(cap.cap_usd * 1e6)})
        return budgets
