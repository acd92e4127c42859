"""What views show around the flow: node types, models, templates, the tape's last frames, today's budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.api.budget import caps_now
from fusionflow_nb.canvas import catalog_payload
from fusionflow_nb.canvas.tape_payload import generation_facts, tape_facts
from fusionflow_nb.canvas.templates import declare_examples, templates
from fusionflow_nb.session import current_session
from fusionflow_nb.settings.credentials import has_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.media.values import Asset

FRAMES = 60
"""Of the filmstrip, at a time."""
_LABELS = {"run": "a run", "day": "today", "month": "this month"}


class Environment:
    """Facts that change now and then; read from the session.

    Args:
        project_id: of the flow.
        address: where the browser finds bytes.
    """

    def __init__(self, project_id: str, address: Callable[[Asset], dict[str, str]]) -> None:
        self._project_id = project_id
        self._address = address
        declare_examples(current_session().catalog)

    def snapshot(self) -> dict[str, Any]:
        """Everything, for a view that begins."""
        return {
            "catalog": self.catalog(),
            "models": self.models(),
            "templates": templates(),
            "tape": self.tape("flow"),
            "budgets": self.budgets(),
        }

    def catalog(self) -> list[dict[str, Any]]:
        """Every node type."""
        known = current_session().catalog
        return [catalog_payload.node_type_facts(known.get(name)) for name in known]

    def models(self) -> list[dict[str, Any]]:
        """Every model that a person may choose."""
        entries = current_session().registry.entries()
        return [catalog_payload.model_facts(entry, has_key=has_key(entry.provider)) for entry in entries]

    def tape(self, of: str, before: str | None = None) -> dict[str, Any]:
        """Frames of the filmstrip, newest first, and what there is in all."""
        return tape_facts(
            current_session().tape,
            project_id=self._project_id if of == "flow" else None,
            before=before,
            limit=FRAMES,
            address=self._address,
        )

    def generation(self, generation_id: str) -> dict[str, Any]:
        """How a generation was made."""
        return generation_facts(current_session().tape, generation_id, self._address)

    def budgets(self) -> list[dict[str, Any]]:
        """What of each cap is gone, reservations included; the cap of a run has nothing spent yet."""
        found = []
        for cap in caps_now(current_session(), self._project_id):
            label = _LABELS.get(cap.scope, "project" if cap.scope.endswith(f":{self._project_id}") else None)
            if label is None or cap.cap_usd is None:
                continue
            used = round(((cap.spent_usd or 0.0) + (cap.reserved_usd or 0.0)) * 1e6)
            found.append({"label": label, "spent_micro_usd": used, "cap_micro_usd": round(cap.cap_usd * 1e6)})
        return found
