"""Write the canvas fixtures: the kernel's catalog, recorded edits and procedural images.

Run it after changes of the catalog or of edits: `python js/scripts/make_fixtures.py`.
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
    """Return the node types as the canvas receives them."""
    types = Catalog()
    return [dict(node_type_facts(types.get(name))) for name in types]


def models() -> list[dict[str, Any]]:
    """Return the built-in models as the model picker receives them."""
    return [dict(model_facts(entry, has_key=True)) for entry in MODELS]


def recorded(seed: int, steps: int) -> dict[str, Any]:
    """Record random edits, each with the kernel's inverse or refusal and the resulting graph."""
    rng = random.Random(seed)  # noqa: S311 - not for security
    document = FlowDocument(id=f"flow_{seed}")
    walk = []
    for _ in range(steps):
        edit = _random_edit(rng, document)
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


def _random_edit(rng: random.Random, document: FlowDocument, depth: int = 0) -> edits.Edit:
    pick, value = rng.choice, rng.choice(_VALUES)
    node_ids = tuple(document.nodes) or _IDS
    node_id, other = pick((*_IDS, *node_ids, *node_ids)), pick((*_IDS, *node_ids, *node_ids))
    edge = Edge(source=node_id, source_port="image", target=other, target_port=pick(("image", "top")))
    edges = [*document.edges, edge]
    place = pick((None, None, 0, 1))
    builders: list[Callable[[], edits.Edit]] = [
        lambda: edits.AddNode(
            node=Node(id=node_id, type="blend", params={"mode": value, "opacity": 1}, take=pick((0, 2))),
            layout=pick((None, NodeLayout(x=3, y=4, title="Titled"))),
            index=place,
        ),
        lambda: edits.AddNode(node=Node.model_validate({"id": node_id, "type": "text", "later": value}), index=place),
        lambda: edits.RemoveNode(node_id=node_id),
        lambda: edits.RenameNode(old=node_id, new=pick((*_IDS, "1x"))),
        lambda: edits.SetParam(node_id=node_id, name=pick(("mode", "size")), value=value, index=place),
        lambda: edits.SetParam(node_id=node_id, name=pick(("mode", "size")), is_unset=True),
        lambda: edits.SetNode(
            node_id=node_id, field=pick(("take", "is_muted", "locked", "type", "later")), value=value
        ),
        lambda: edits.SetNode(node_id=node_id, field=pick(("take", "is_muted", "later", "params")), is_unset=True),
        lambda: edits.SetNode(node_id=node_id, field="is_muted", value=True),
        lambda: edits.SetLayout(node_id=node_id, fields={"x": 12.5, "title": pick((None, "T")), "later": value}),
        lambda: edits.SetLayout(node_id=node_id, fields={"y": 1, "width": pick(("wide", 300))}, mode="replace"),
        lambda: edits.SetLayout(node_id=node_id, mode="remove"),
        lambda: edits.AddEdge(edge=edge, index=place),
        lambda: edits.AddEdge(edge=edge),
        lambda: edits.RemoveEdge(edge=pick(edges)),
        lambda: edits.SetVariable(name=pick(("time", "city")), value=value, index=place),
        lambda: edits.SetVariable(name=pick(("time", "city")), is_unset=True),
        lambda: edits.SetFlow(
            field=pick(("name", "groups", "comments", "viewport")),
            value=pick(("Neon", [{"title": "G"}], {"x": 1.0, "zoom": 2.0}, [])),
        ),
        lambda: edits.EditGroup(edits=[_random_edit(rng, document, depth + 1) for _ in range(2)]),
    ]
    return pick(builders[:-1] if depth else builders)()


def pictures(folder: Path) -> None:
    """Write small WebP images in the styles of the local models, for the dev page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, style, prompt, seed, width, height in _PICTURES:
        rendered = render(style, prompt, seed=seed, width=width * 2, height=height * 2)
        thumbnail = Image.fromarray(rendered.pixels).resize((width, height), Image.Resampling.LANCZOS)
        thumbnail.save(folder / f"{name}.webp", quality=78, method=6)


def sheet(folder: Path) -> None:
    """Write a contact sheet of four seeds with one missing image."""
    canvas = Image.new("RGB", (480, 320), "#14171d")
    for place, name in zip(((8, 8), (244, 8), (8, 164)), ("neon", "aurora", "still-life"), strict=True):
        canvas.paste(Image.open(folder / f"{name}.webp").resize((228, 228)).crop((0, 40, 228, 188)), place)
    canvas.save(folder / "sheet.webp", quality=80, method=6)


def _write(path: Path, data: Any, indent: int | None = 1) -> None:  # noqa: ANN401 - JSON
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=indent, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write(JS / "dev" / "catalog.json", {"node_types": catalog(), "models": models()})
    _write(JS / "test" / "fixtures" / "edits.json", [recorded(seed, 60) for seed in range(10)], indent=None)
    pictures(JS / "dev" / "pictures")
    sheet(JS / "dev" / "pictures")
