"""Providers and models by name, and the fake provider."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from typing import TYPE_CHECKING, Any

import pytest

from fusionflow_nb import errors
from fusionflow_nb.providers import registry as registry_module
from fusionflow_nb.providers.protocol import Done, Failed, Operation, Pending, Request
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import MODELS, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path


def retiring(**facts: Any) -> FakeProvider:
    provider = FakeProvider()
    provider.models = [MODELS[0].model_copy(update=facts), *MODELS[1:]]
    return provider


def test_built_in_providers_use_entry_points() -> None:
    """Built-in providers are loaded from entry points."""
    registry = Registry()
    assert {"local", "fake"} <= {provider.name for provider in (registry.entries(), registry.loaded())[1]}


def test_an_alias_resolves_to_one_entry() -> None:
    """Ids and aliases resolve to the same entry; test models are listed only on request."""
    registry = Registry([FakeProvider()])
    assert registry.resolve("fake-image") is registry.resolve("fake/image") is registry.entry("fake/image")
    assert registry.entries() == []
    tasks = {entry.id for entry in registry.entries(task="text-to-image", tests=True)}
    assert tasks == {"fake/image", "fake/free", "fake/unpriced"}


def test_an_unknown_name_lists_the_known_names() -> None:
    """Errors for unknown models and providers list similar or all names."""
    registry = Registry([FakeProvider()])
    with pytest.raises(errors.UnknownModelError, match="fake-image") as caught:
        registry.resolve("fake-imag", node_id="still")
    assert caught.value.node_id == "still"
    with pytest.raises(errors.ModelError, match="Installed: fake"):
        registry.provider("acme")
    with pytest.raises(errors.ModelError, match="No model is installed"):
        registry.default_for("text-to-image")
    assert registry.entry("acme/model") is None


def test_a_retired_model_names_its_successor() -> None:
    """A warning before the date, an error from then on; accepted work can still be fetched by its entry."""
    provider = retiring(retires_on=dt.date(2030, 1, 1), successor="fake/free")
    with pytest.warns(FutureWarning, match="Use fake/free instead"):
        Registry([provider], today=lambda: dt.date(2029, 12, 31)).resolve("fake/image")
    ended = Registry([provider], today=lambda: dt.date(2030, 1, 1))
    with pytest.raises(errors.RetiredModelError, match=r"ended on 2030-01-01. Use fake/free instead"):
        ended.resolve("fake/image")
    assert ended.entry("fake/image") is not None


def test_a_strangers_broken_package_takes_nobody_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point that cannot be loaded is a warning; other providers stay available."""
    points = [
        importlib.metadata.EntryPoint("broken", "no_such_package:provider", registry_module.GROUP),
        importlib.metadata.EntryPoint("fake", "fusionflow_nb.testing.fake:provider", registry_module.GROUP),
    ]
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: points if group == registry_module.GROUP else []
    )
    registry = Registry()
    with pytest.warns(RuntimeWarning, match="'broken'"):
        assert registry.resolve("fake/image").provider == "fake"


async def test_the_fake_answers_from_its_folder_in_another_process(tmp_path: Path) -> None:
    """Another process polls with the Operation alone; the log lists the submits of all kernels."""
    first, second = FakeProvider(tmp_path), FakeProvider(tmp_path)
    taken = await first.submit(Request(MODELS[0], "text-to-image", "dawn", {}), idempotency_key="a")
    assert isinstance(taken, Operation)
    assert isinstance(await second.poll(taken), Pending)
    answer = await second.poll(taken)
    assert isinstance(answer, Done)
    assert answer.cost is not None
    assert answer.cost.micro_usd == 40_000
    assert [entry["idempotency_key"] for entry in second.log()] == ["a"]
    assert isinstance(await second.poll(Operation({"id": "nowhere"})), Failed)
