"""Write what the canvas is held to and shown with: the kernel's catalog, recorded edits, procedural pictures.

Run it when the catalog, the edits or their laws change: `python js/scripts/make_fixtures.py`.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from pydantic import TypeAdapter

from fusionflow_nb import errors
from fusionflow_nb.canvas.catalog_payload import model_facts, node_type_facts
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import Edge, FlowDocument, Node, NodeLayout
from fusionflow_nb.flow.react_flow import to_wire
from fusionflow_nb.procedural import render
from fusionflow_nb.providers.local.models import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable

JS = Path(__file__).parent.parent
_EDIT: TypeAdapter[edits.Edit] = TypeAdapter(edits.Edit)
_IDS = ("a", "b", "c", "d", "e")
_VALUES: tuple[Any, ...] = (1, 2.5, "midnight", None, ["x", 2], {"k": "v"})
_PICTURES = (
    ("city", "landscape", "neon city at midnight, wet streets, stars", 23, 480, 320),
    ("neon", "landscape", "neon city at midnight, stars", 7, 360, 360),
    ("aurora", "landscape", "aurora over a pine forest at night", 21, 360, 360),
    ("still-life", "sdf-scene", "sunset, glossy spheres", 42, 360, 360),
    ("current", "flow-field", "ocean, gold", 3, 420, 280),
    ("butterfly", "attractor", "neon butterfly", 11, 480, 270),
    ("opal", "marble", "fire opal", 5, 240, 240),
    ("coral", "reaction-diffusion", "coral", 8, 240, 240),
    ("dunes", "landscape", "desert dunes at sunset", 7, 360, 240),
    ("mist", "landscape", "misty mountains at dawn", 9, 360, 240),
)


def catalog() -> list[dict[str, Any]]:
    """The node types as the canvas receives them."""
    known = Catalog()
    return [node_type_facts(known.get(name)) for name in known]


def models() -> list[dict[str, Any]]:
    """The embedded models as the picker receives them."""
    return [model_facts(entry, has_key=True) for entry in MODELS]


def recorded(seed: int, steps: int) -> dict[str, Any]:
    """A walk of random edits: each with what the kernel said, and the graph and inverse it led to."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    document = FlowDocument(id=f"flow_{seed}")
    walk = []
    for _ in range(steps):
        edit = _random_edit(chance, document)
        step: dict[str, Any] = {"edit": _plain(edit)}
        try:
            step["inverse"] = _plain(edits.apply(document, edit))
        except errors.EditError:
            step["is_refused"] = True
        step["graph"] = to_wire(document)
        step["variables"] = dict(document.variables)
        step["name"] = document.name
        walk.append(json.loads(json.dumps(step)))
    return {"id": document.id, "walk": walk}


def _plain(edit: edits.Edit) -> Any:  # noqa: ANN401 - JSON
    return _EDIT.dump_python(edit, mode="json", by_alias=True, exclude_defaults=False)


def _random_edit(chance: random.Random, document: FlowDocument, depth: int = 0) -> edits.Edit:
    pick, value = chance.choice, chance.choice(_VALUES)
    known = tuple(document.nodes) or _IDS
    some, other = pick((*_IDS, *known, *known)), pick((*_IDS, *known, *known))
    drawn = Edge(source=some, source_port="image", target=other, target_port=pick(("image", "top")))
    edges = [*document.edges, drawn]
    place = pick((None, None, 0, 1))
    forms: list[Callable[[], edits.Edit]] = [
        lambda: edits.AddNode(
            node=Node(id=some, type="blend", params={"mode": value, "opacity": 1}, take=pick((0, 2))),
            layout=pick((None, NodeLayout(x=3, y=4, title="Titled"))),
            index=place,
        ),
        lambda: edits.AddNode(node=Node.model_validate({"id": some, "type": "text", "later": value}), index=place),
        lambda: edits.RemoveNode(node_id=some),
        lambda: edits.RenameNode(old=some, new=pick((*_IDS, "1x"))),
        lambda: edits.SetParam(node_id=some, name=pick(("mode", "size")), value=value, index=place),
        lambda: edits.SetParam(node_id=some, name=pick(("mode", "size")), is_unset=True),
        lambda: edits.SetNode(node_id=some, field=pick(("take", "is_muted", "locked", "type", "later")), value=value),
        lambda: edits.SetNode(node_id=some, field=pick(("take", "is_muted", "later", "params")), is_unset=True),
        lambda: edits.SetNode(node_id=some, field="is_muted", value=True),
        lambda: edits.SetLayout(node_id=some, fields={"x": 12.5, "title": pick((None, "T")), "later": value}),
        lambda: edits.SetLayout(node_id=some, fields={"y": 1, "width": pick(("wide", 300))}, mode="replace"),
        lambda: edits.SetLayout(node_id=some, mode="remove"),
        lambda: edits.AddEdge(edge=drawn, index=place),
        lambda: edits.AddEdge(edge=drawn),
        lambda: edits.RemoveEdge(edge=pick(edges)),
        lambda: edits.SetVariable(name=pick(("time", "city")), value=value, index=place),
        lambda: edits.SetVariable(name=pick(("time", "city")), is_unset=True),
        lambda: edits.SetFlow(
            field=pick(("name", "groups", "comments", "viewport")),
            value=pick(("Neon", [{"title": "G"}], {"x": 1.0, "zoom": 2.0}, [])),
        ),
        lambda: edits.EditGroup(edits=[_random_edit(chance, document, depth + 1) for _ in range(2)]),
    ]
    return pick(forms[:-1] if depth else forms)()


def pictures(folder: Path) -> None:
    """Small WebPs in the local styles, for the dev page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, style, prompt, seed, width, height in _PICTURES:
        made = render(style, prompt, seed=seed, width=width * 2, height=height * 2)
        small = Image.fromarray(made.pixels).resize((width, height), Image.Resampling.LANCZOS)
        small.save(folder / f"{name}.webp", quality=78, method=6)


def sheet(folder: Path) -> None:
    """What a contact sheet of four seeds looks like, one of them a hole."""
    made = Image.new("RGB", (480, 320), "#14171d")
    for place, name in zip(((8, 8), (244, 8), (8, 164)), ("neon", "aurora", "still-life"), strict=True):
        made.paste(Image.open(folder / f"{name}.webp").resize((228, 228)).crop((0, 40, 228, 188)), place)
    made.save(folder / "sheet.webp", quality=80, method=6)


def _write(path: Path, data: Any, indent: int | None = 1) -> None:  # noqa: ANN401 - JSON
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=indent, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write(JS / "dev" / "catalog.json", {"node_types": catalog(), "models": models()})
    _write(JS / "test" / "fixtures" / "edits.json", [recorded(seed, 60) for seed in range(10)], indent=None)
    pictures(JS / "dev" / "pictures")
    sheet(JS / "dev" / "pictures")
