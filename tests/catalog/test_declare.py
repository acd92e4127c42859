"""From type hints to ports and forms: what can be declared, and what each refusal says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import pytest
from pydantic import Field
from support.plan import Sketch, complete, catalog, only

from fusionflow_nb import errors
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.catalog.context import Context  # noqa: TC001 - read at run time
from fusionflow_nb.catalog.declare import declare, port_of
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.media.batch import Batch
from fusionflow_nb.media.handles import Audio, Image, Mask, Video

if TYPE_CHECKING:
    from decimal import Decimal


@pytest.mark.parametrize(
    ("hint", "port", "collects", "is_optional"),
    [
        (Image, "image", Collects.NO, False),
        (Mask | None, "mask", Collects.NO, True),
        (Optional[Video], "video", Collects.NO, True),  # noqa: UP045 - the older spelling is read, too
        (Union[Image, Mask], "image", Collects.NO, False),  # noqa: UP007
        (list[Audio], "audio", Collects.ALL, False),
        (list[Image] | None, "image", Collects.ALL, True),
        (Batch[Image], "image", Collects.CELLS, False),
        (Batch, "json", Collects.CELLS, False),
        (str, "text", Collects.NO, False),
        (int | float | None, "number", Collects.NO, True),
        (Annotated[int, Field(ge=1)] | None, "number", Collects.NO, True),
        (bool, "json", Collects.NO, False),
        (str | int, "json", Collects.NO, False),
        (dict[str, int], "json", Collects.NO, False),
        (list[str], "text", Collects.ALL, False),
        (list, "json", Collects.NO, False),
        (Any, "json", Collects.NO, False),
        (Literal["a", "b"], "text", Collects.NO, False),
        (Literal["a", None], "text", Collects.NO, True),  # noqa: PYI061 - read, too
        (Literal[1, 2.5], "number", Collects.NO, False),
        (Literal[True, False], "json", Collects.NO, False),
        (Literal["a", 1], "json", Collects.NO, False),
    ],
    ids=str,
)
def test_a_hint_is_a_port(hint, port, collects, is_optional):
    """What each hint becomes."""
    assert port_of(hint, where="f(x)") == (port, collects, is_optional)


@pytest.mark.parametrize(
    "hint", [bytes, object, tuple[int, int], Image | str, set[int], list[bytes], type(None)], ids=str
)
def test_a_hint_that_no_port_can_carry_says_which_can(hint):
    """The error names the parameter and lists what may stand there."""

    def f(x):
        return x

    f.__annotations__ = {"x": hint}
    with pytest.raises(errors.PortError, match=r"f\(x\): no port can carry") as caught:
        declare(f, kind=Kind.LOCAL)
    assert caught.value.hint


def test_hints_that_cannot_be_resolved_are_named():
    """A hint that only a type checker knows, or that a function holds, is an error in words, not a NameError."""

    def f(x: Decimal) -> str:
        return str(x)

    with pytest.raises(errors.PortError, match="f: the type hint 'Decimal' is not known") as caught:
        declare(f, kind=Kind.LOCAL)
    assert "top of the notebook" in str(caught.value)


def test_signatures_that_no_edge_can_feed():
    """Inputs have a name each and are given by it."""

    def many(*images: Image) -> Image:
        return images[0]

    def first(image: Image, /) -> Image:
        return image

    def hidden(_image: Image) -> Image:
        return _image

    for function, says in ((many, r"list\[...\]"), (first, "by name"), (hidden, "letter")):
        with pytest.raises(errors.PortError, match=says):
            declare(function, kind=Kind.LOCAL)
    with pytest.raises(errors.ParameterError, match="name="):
        declare(lambda x: x, kind=Kind.LOCAL)
    assert declare(lambda x: x, kind=Kind.LOCAL, name="same").name == "same"


def test_parameters_may_be_called_like_the_forms_methods():
    """`copy`, `json` and `schema` are names like any other."""

    def f(copy: int = 1, json: str = "j", schema: bool = False, model_fields: int = 2) -> str:  # noqa: FBT001, FBT002
        return f"{copy}{json}{schema}{model_fields}"

    known = catalog()
    known.declare(python_node_type(f))
    sketch = Sketch(node_types=known)
    sketch.add("f", "node", json="k")
    bound = only(sketch.plan(), "node").bound
    assert bound is not None
    assert bound.values == {"copy": 1, "json": "k", "schema": False, "model_fields": 2}


def test_a_context_is_no_input():
    """A parameter of type Context is given by the run, and never drawn."""

    def f(image: Image, ctx: Context, more: Context | None = None) -> Image:
        return image

    made = declare(f, kind=Kind.LOCAL)
    assert [port.name for port in made.inputs] == ["image"]
    assert made.context is not None


def test_async_is_noticed_and_every_other_fact_is_kept():
    """What the engine asks of a declaration."""

    async def f(text: str = "x") -> dict[str, int]:
        """Count it.

        At length.
        """
        return {text: 1}

    made = python_node_type(f, record=False, timeout_s=3, title="Counter")
    assert (made.is_async, made.is_recorded, made.timeout_s) == (True, False, 3)
    assert (made.title, made.summary, made.outputs[0].type) == ("Counter", "Count it.", "json")


@pytest.mark.parametrize(
    ("hint", "port", "is_series"),
    [
        (list[Image], "image", True),
        (list[Image] | None, "image", True),
        (Image | None, "image", False),
        (Batch[str], "text", True),
        (list[str], "json", False),
        (dict, "json", False),
        (float, "number", False),
    ],
    ids=str,
)
def test_what_a_function_gives(hint, port, is_series):
    """A list of media is a batch; a list of values is one value."""

    def f():
        return None

    f.__annotations__ = {"return": hint}
    (output,) = declare(f, kind=Kind.LOCAL).outputs
    assert (output.type, output.is_series) == (port, is_series)


def test_slots_of_a_template_take_any_name():
    """`**values: str` is an input under whatever name an edge or a parameter uses."""
    sketch = Sketch()
    sketch.add("text", "hour", text="dawn")
    sketch.add("template", "line", template="{hour}, {number}", hour="@hour.text", number=3.0)
    plan = sketch.plan()
    complete(plan)
    assert {name: value.data for name, value in (only(plan, "line").outputs or {}).items()} == {"text": "dawn, 3"}


def test_redefining_updates_placed_nodes_and_built_in_names_are_taken():
    """A notebook replaces its own types, never ours; who holds a plan sees that it happened."""
    known = Catalog()

    def f(text: str) -> str:
        return text

    before = known.rev
    known.declare(python_node_type(f))
    known.declare(python_node_type(f, version=2))
    assert known.get("f").version == 2
    assert known.rev == before + 2
    with pytest.raises(errors.ParameterError, match="built-in"):
        known.declare(python_node_type(f, name="upscale"))
    with pytest.raises(errors.UnknownNodeTypeError, match="upscale"):
        known.get("upscal")


def test_every_built_in_node_has_a_form_that_takes_its_defaults():
    """Each declaration makes an empty form, and a JSON schema for the canvas to draw."""
    known = Catalog()
    for name in known:
        made = known.get(name)
        made.params()
        assert set(made.params.model_json_schema()["properties"]) == {
            port.name for port in made.inputs if port.is_parameter
        }
        assert made.title
        assert made.summary
        assert made.category
