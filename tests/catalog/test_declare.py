"""Node types from type hints: ports, parameters and the errors of unsupported signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import pytest
from pydantic import Field
from support.plan import Sketch, catalog, complete, only

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
        (Optional[Video], "video", Collects.NO, True),  # noqa: UP045 - the older syntax is supported, too
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
        (Literal["a", None], "text", Collects.NO, True),  # noqa: PYI061 - supported, too
        (Literal[1, 2.5], "number", Collects.NO, False),
        (Literal[True, False], "json", Collects.NO, False),
        (Literal["a", 1], "json", Collects.NO, False),
    ],
    ids=str,
)
def test_the_port_of_a_hint(hint, port, collects, is_optional):
    """For every kind of hint."""
    assert port_of(hint, where="f(x)") == (port, collects, is_optional)


@pytest.mark.parametrize(
    "hint", [bytes, object, tuple[int, int], Image | str, set[int], list[bytes], type(None)], ids=str
)
def test_an_unsupported_hint_lists_the_supported_hints(hint):
    """The error names the parameter."""

    def f(x):
        return x

    f.__annotations__ = {"x": hint}
    with pytest.raises(errors.PortError, match=r"f\(x\): no port can carry") as caught:
        declare(f, kind=Kind.LOCAL)
    assert caught.value.hint


def test_an_undefined_hint_is_named():
    """A hint that only type checkers can resolve is a PortError, not a NameError."""

    def f(x: Decimal) -> str:
        return str(x)

    with pytest.raises(errors.PortError, match="f: the type hint 'Decimal' is not defined") as caught:
        declare(f, kind=Kind.LOCAL)
    assert "top of the notebook" in str(caught.value)


def test_unsupported_parameters_are_errors():
    """Inputs are passed by name."""

    def many(*images: Image) -> Image:
        return images[0]

    def first(image: Image, /) -> Image:
        return image

    def hidden(_image: Image) -> Image:
        return _image

    for function, message in ((many, r"list\[...\]"), (first, "by name"), (hidden, "letter")):
        with pytest.raises(errors.PortError, match=message):
            declare(function, kind=Kind.LOCAL)
    with pytest.raises(errors.ParameterError, match="name="):
        declare(lambda x: x, kind=Kind.LOCAL)
    assert declare(lambda x: x, kind=Kind.LOCAL, name="same").name == "same"


def test_parameters_can_have_names_of_model_methods():
    """`copy`, `json` and `schema` are valid names."""

    def f(copy: int = 1, json: str = "j", schema: bool = False, model_fields: int = 2) -> str:  # noqa: FBT001, FBT002
        return f"{copy}{json}{schema}{model_fields}"

    node_types = catalog()
    node_types.declare(python_node_type(f))
    sketch = Sketch(node_types=node_types)
    sketch.add("f", "node", json="k")
    bound = only(sketch.plan(), "node").bound
    assert bound is not None
    assert bound.values == {"copy": 1, "json": "k", "schema": False, "model_fields": 2}


def test_a_context_parameter_is_not_an_input():
    """The run passes the context."""

    def f(image: Image, ctx: Context, more: Context | None = None) -> Image:
        return image

    node_type = declare(f, kind=Kind.LOCAL)
    assert [port.name for port in node_type.inputs] == ["image"]
    assert node_type.context is not None


def test_a_python_node_type_has_all_options():
    """Async functions are detected; the summary is the first line of the docstring."""

    async def f(text: str = "x") -> dict[str, int]:
        """Count it.

        At length.
        """
        return {text: 1}

    node_type = python_node_type(f, record=False, timeout_s=3, title="Counter")
    assert (node_type.is_async, node_type.is_recorded, node_type.timeout_s) == (True, False, 3)
    assert (node_type.title, node_type.summary, node_type.outputs[0].type) == ("Counter", "Count it.", "json")


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
def test_the_output_of_a_return_hint(hint, port, is_series):
    """A list of media is a batch; a list of values is a JSON value."""

    def f():
        return None

    f.__annotations__ = {"return": hint}
    (output,) = declare(f, kind=Kind.LOCAL).outputs
    assert (output.type, output.is_series) == (port, is_series)


def test_template_slots_can_have_any_name():
    """`**values: str` accepts edges and parameters of any name."""
    sketch = Sketch()
    sketch.add("text", "hour", text="dawn")
    sketch.add("template", "line", template="{hour}, {number}", hour="@hour.text", number=3.0)
    plan = sketch.plan()
    complete(plan)
    assert {name: value.data for name, value in (only(plan, "line").outputs or {}).items()} == {"text": "dawn, 3"}


def test_a_notebook_can_redefine_only_its_own_node_types():
    """Each declaration increments the catalog's revision."""
    node_types = Catalog()

    def f(text: str) -> str:
        return text

    before = node_types.rev
    node_types.declare(python_node_type(f))
    node_types.declare(python_node_type(f, version=2))
    assert node_types.get("f").version == 2
    assert node_types.rev == before + 2
    with pytest.raises(errors.ParameterError, match="built-in"):
        node_types.declare(python_node_type(f, name="upscale"))
    with pytest.raises(errors.UnknownNodeTypeError, match="upscale"):
        node_types.get("upscal")


def test_built_in_defaults_are_valid():
    """Every built-in node type has a JSON schema, a title, a summary and a category."""
    node_types = Catalog()
    for name in node_types:
        node_type = node_types.get(name)
        node_type.params()
        assert set(node_type.params.model_json_schema()["properties"]) == {
            port.name for port in node_type.inputs if port.is_parameter
        }
        assert node_type.title
        assert node_type.summary
        assert node_type.category
