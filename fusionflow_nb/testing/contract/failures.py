"""What comes between us and a service: every adapter meets it, on real sockets, and every error is clear.

Clear is: what happened, at which service, what to do next, and no key in it. Accepted work is never given up for it.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import time
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from fusionflow_nb import errors
from fusionflow_nb.providers.http import download
from fusionflow_nb.providers.http.endpoint import SIMULATED_KEY
from fusionflow_nb.providers.protocol import Done, Failed, Operation, SubmitAmbiguousError
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE
from fusionflow_nb.simulator import Fault, Simulator
from fusionflow_nb.testing.contract.bad_endpoints import no_way, raw, served
from fusionflow_nb.testing.contract.fixtures import Stage
from fusionflow_nb.testing.contract.requests import ended, taken

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.providers.protocol import Provider, Request, Status
    from fusionflow_nb.testing.contract.adapter import Adapter

DAY_S = 86_400
MOST_CHARACTERS = 800
"""An error is read by a person."""


PAGE = b"<html><h1>Bad gateway</h1>" + b"<p>lorem</p>" * 900_000
FAULTS = {
    "nothing": b"",
    "half an answer": raw(200, b'{"id": "7', "application/json", content_length="400"),
    "10 MB of error page": raw(502, PAGE),
    "a login page": raw(200, b"<html>Sign in to the hotel</html>"),
    "another type": raw(200, b'["no", "object"]', "application/json"),
    "elsewhere": raw(302, b"", location="http://127.0.0.1:1/"),
}
LOST = {
    "a login page": "not a known media type",
    "another type": "not a known media type",
    "elsewhere": "is not allowed",
}
"""Faults of an output that no second look mends, and what is said of them."""


def _is_file(path: str) -> bool:
    return "/cdn/files/" in path


def _is_no_file(path: str) -> bool:
    return not _is_file(path)


class FailureContract(Stage):
    """Subclass it; a fixture `adapter` gives the one that is tried."""

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_in_the_place_of_an_answer_to_a_submit(
        self, service: Provider, simulator: Simulator, request_: Request, fault: str
    ) -> None:
        """Sent once. Unknown, unless it is sure that the service never saw it."""
        simulator.world.fault = Fault(FAULTS[fault])
        wanted = errors.ProviderError if fault == "elsewhere" else SubmitAmbiguousError
        with pytest.raises(wanted) as caught:
            await service.submit(request_, idempotency_key="k")
        assert simulator.world.fault.hits == 1
        if isinstance(caught.value, errors.FusionFlowError):
            is_clear(caught.value, service)
        assert 0 < len(str(caught.value)) < MOST_CHARACTERS

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_in_the_place_of_an_answer_to_a_poll(
        self, service: Provider, adapter: Adapter, simulator: Simulator, request_: Request, fault: str
    ) -> None:
        """The work is kept, and looked at again; once the way is free, its result comes home."""
        begun = await _begun(service, adapter, request_)
        simulator.world.fault = Fault(FAULTS[fault], _is_no_file)
        with pytest.raises(errors.ProviderError) as caught:
            await service.poll(begun)
        assert simulator.world.fault.hits
        assert caught.value.is_retryable
        is_clear(caught.value, service)
        simulator.world.fault = None
        _is_home(await ended(service, begun))

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_in_the_place_of_an_output(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        request_: Request,
        fault: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Fetched again where that may help; else it is a failure that cost money, and says what came instead."""
        if not adapter.fetches:
            pytest.skip("its outputs come in an answer")
        (tmp_path / "fetched").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "fetched"))
        begun = await _begun(service, adapter, request_)
        simulator.world.fault = Fault(FAULTS[fault], _is_file)
        if fault in LOST:
            status = await ended(service, begun)
            assert isinstance(status, Failed)
            assert LOST[fault] in status.message
            assert (status.code, status.is_retryable, status.cost is not None) == ("output_lost", False, True)
        else:
            with pytest.raises(errors.ProviderError) as caught:
                await ended(service, begun)
            assert caught.value.is_retryable
            is_clear(caught.value, service)
            simulator.world.fault = None
            _is_home(await ended(service, begun))
        assert list((tmp_path / "fetched").iterdir()) == []

    @pytest.mark.parametrize("place", ["closed", "no name", "untrusted"])
    async def test_no_way_to_the_service(
        self,
        adapter: Adapter,
        simulator: Simulator,
        request_: Request,
        place: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """No network, no such name, a certificate that nobody vouches for: nothing was sent, and nothing is unknown."""
        says = {
            "closed": "Could not connect to",
            "no name": "could not be resolved",
            "untrusted": "certificate of localhost",
        }
        first = adapter.make()
        begun = await first.submit(request_, idempotency_key="k")
        await first.aclose()
        async with no_way(place, tmp_path) as base:
            monkeypatch.setenv(SIMULATOR_VARIABLE, base)
            service = adapter.make()
            with pytest.raises(errors.ProviderError, match=says[place]) as caught:
                await service.submit(request_, idempotency_key="k")
            is_clear(caught.value, service)
            assert caught.value.is_retryable == (place != "untrusted")
            if isinstance(begun, Operation):
                moved = Operation(json.loads(json.dumps(begun.data).replace(simulator.base, base)))
                with pytest.raises(errors.ProviderError, match=says[place]):
                    await service.poll(moved)
            await service.aclose()

    async def test_a_key_that_is_taken_back_loses_no_work(
        self, service: Provider, adapter: Adapter, simulator: Simulator, request_: Request
    ) -> None:
        """It is no failure of the job: with another key the result comes home."""
        begun = await _begun(service, adapter, request_)
        says = b'{"error": "no such key: simulated"}'
        simulator.world.fault = Fault(raw(401, says, "application/json"), _is_no_file)
        with pytest.raises(errors.SecretError, match="stores another key") as caught:
            await service.poll(begun)
        is_clear(caught.value, service)
        simulator.world.fault = None
        _is_home(await ended(service, begun))

    @pytest.mark.parametrize("days", [-1, 1])
    async def test_a_clock_that_is_a_day_off(
        self, adapter: Adapter, simulator: Simulator, request_: Request, days: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither signatures, nor addresses that expire, nor waits are counted by it."""
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + days * DAY_S)
        service = adapter.make()
        _is_home(await ended(service, await service.submit(request_, idempotency_key="k")))
        at = dt.datetime.fromtimestamp(real(), dt.UTC)
        later = email.utils.format_datetime(at + dt.timedelta(seconds=7), usegmt=True)
        told = {"date": email.utils.format_datetime(at, usegmt=True), "retry_after": later}
        simulator.world.fault = Fault(raw(429, b"{}", "application/json", **told))
        busy = await service.submit(request_, idempotency_key="k")
        assert isinstance(busy, Failed)
        assert (busy.is_retryable, busy.retry_after_s) == (True, 7.0)
        await service.aclose()

    async def test_a_key_goes_nowhere_else(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        request_: Request,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """An output may lie with others, and is fetched there without it; polls are followed nowhere."""
        if not adapter.fetches:
            pytest.skip("its outputs come in an answer")
        heard: list[web.Request] = []

        async def answer(request: web.Request) -> web.Response:
            heard.append(request)
            return web.Response(body=b"\x89PNG\r\n\x1a\n" + bytes(60), content_type="image/png")

        async with served(answer) as other:
            begun = await _begun(service, adapter, request_)
            simulator.world.fault = Fault(raw(302, b"", location=f"{other}/x"), _is_no_file)
            with pytest.raises(errors.ProviderError):
                await service.poll(begun)
            assert heard == []
            # That it lies on this machine is what a public address would not do.
            monkeypatch.setattr(download, "check_public", lambda *_: None)
            simulator.world.fault = Fault(raw(302, b"", location=f"{other}/x"), _is_file)
            _is_home(await ended(service, begun))
        assert heard
        assert not [value for each in heard for value in each.headers.values() if str(SIMULATED_KEY) in value]

    async def test_an_output_that_is_too_long_is_not_taken(
        self, service: Provider, adapter: Adapter, request_: Request, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is given up at the limit, and says so."""
        if not adapter.fetches:
            pytest.skip("its outputs come in an answer")
        begun = await _begun(service, adapter, request_)
        monkeypatch.setattr(download, "OUTPUT_BYTES", 10)
        status = await ended(service, begun)
        assert isinstance(status, Failed)
        assert (status.code, status.is_retryable) == ("output_lost", False)
        assert "longer than" in status.message


def is_clear(error: errors.FusionFlowError, service: Provider) -> None:
    """What, where, what next; no key, and no page of HTML."""
    assert error.what.endswith((".", "'"))
    assert error.provider == service.name
    assert error.hint
    assert len(str(error)) < MOST_CHARACTERS
    assert str(SIMULATED_KEY) not in str(error)


async def _begun(service: Provider, adapter: Adapter, request: Request) -> Operation:
    if not adapter.is_queue:
        pytest.skip("there is nothing to poll")
    begun = await service.submit(request, idempotency_key="k")
    assert isinstance(begun, Operation)
    return begun


def _is_home(status: Status) -> None:
    assert isinstance(status, Done), status
    for output in status.outputs:
        assert taken(output)
