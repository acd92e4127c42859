"""Contract of an adapter under network failures, on real sockets.

Every error states what happened, at which service, and what to do next, and contains no key. No failure abandons
accepted work.
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
from fusionflow_nb.testing.contract.bad_endpoints import raw, served, unreachable
from fusionflow_nb.testing.contract.fixtures import ContractFixtures
from fusionflow_nb.testing.contract.requests import poll_until_done, read_output

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.providers.protocol import Provider, Request, Status
    from fusionflow_nb.testing.contract.adapter import Adapter

DAY_S = 86_400
MAX_MESSAGE_LENGTH = 800
"""Maximum length of an error message in characters."""


PAGE = b"<html><h1>Bad gateway</h1>" + b"<p>lorem</p>" * 900_000
FAULTS = {
    "empty": b"",
    "truncated response": raw(200, b'{"id": "7', "application/json", content_length="400"),
    "10 MB error page": raw(502, PAGE),
    "login page": raw(200, b"<html>Sign in to the hotel</html>"),
    "other JSON type": raw(200, b'["no", "object"]', "application/json"),
    "redirect": raw(302, b"", location="http://127.0.0.1:1/"),
}
LOST_OUTPUTS = {
    "login page": "not a known media type",
    "other JSON type": "not a known media type",
    "redirect": "is not allowed",
}
"""Faults of a download that are not retried, with a part of their message."""


def _is_file(path: str) -> bool:
    return "/cdn/files/" in path


def _is_not_file(path: str) -> bool:
    return not _is_file(path)


class FailureContract(ContractFixtures):
    """Subclass it and supply the fixture `adapter`."""

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_during_submit_sends_no_second_request(
        self, service: Provider, simulator: Simulator, job_request: Request, fault: str
    ) -> None:
        """The outcome is ambiguous unless the service cannot have received the request."""
        simulator.world.fault = Fault(FAULTS[fault])
        expected = errors.ProviderError if fault == "redirect" else SubmitAmbiguousError
        with pytest.raises(expected) as caught:
            await service.submit(job_request, idempotency_key="k")
        assert simulator.world.fault.hits == 1
        if isinstance(caught.value, errors.FusionFlowError):
            check_message(caught.value, service)
        assert 0 < len(str(caught.value)) < MAX_MESSAGE_LENGTH

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_during_a_poll_is_retryable(
        self, service: Provider, adapter: Adapter, simulator: Simulator, job_request: Request, fault: str
    ) -> None:
        """The job is kept; once the fault is gone, a poll returns its result."""
        operation = await _submit(service, adapter, job_request)
        simulator.world.fault = Fault(FAULTS[fault], _is_not_file)
        with pytest.raises(errors.ProviderError) as caught:
            await service.poll(operation)
        assert simulator.world.fault.hits
        assert caught.value.is_retryable
        check_message(caught.value, service)
        simulator.world.fault = None
        _check_done(await poll_until_done(service, operation))

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_during_a_download_keeps_the_job(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        job_request: Request,
        fault: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It is retryable, or fails with the cost and a message that describes the response."""
        if not adapter.has_output_urls:
            pytest.skip("its outputs are part of the response")
        (tmp_path / "fetched").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "fetched"))
        operation = await _submit(service, adapter, job_request)
        simulator.world.fault = Fault(FAULTS[fault], _is_file)
        if fault in LOST_OUTPUTS:
            status = await poll_until_done(service, operation)
            assert isinstance(status, Failed)
            assert LOST_OUTPUTS[fault] in status.message
            assert (status.code, status.is_retryable, status.cost is not None) == ("output_lost", False, True)
        else:
            with pytest.raises(errors.ProviderError) as caught:
                await poll_until_done(service, operation)
            assert caught.value.is_retryable
            check_message(caught.value, service)
            simulator.world.fault = None
            _check_done(await poll_until_done(service, operation))
        assert list((tmp_path / "fetched").iterdir()) == []

    @pytest.mark.parametrize("place", ["closed", "no name", "untrusted"])
    async def test_an_unreachable_service_raises_before_sending(
        self,
        adapter: Adapter,
        simulator: Simulator,
        job_request: Request,
        place: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """No listener, no DNS name, an untrusted certificate: nothing is sent, so the outcome is not ambiguous."""
        messages = {
            "closed": "Could not connect to",
            "no name": "could not be resolved",
            "untrusted": "certificate of localhost",
        }
        first = adapter.create()
        submitted = await first.submit(job_request, idempotency_key="k")
        await first.aclose()
        async with unreachable(place, tmp_path) as base:
            monkeypatch.setenv(SIMULATOR_VARIABLE, base)
            service = adapter.create()
            with pytest.raises(errors.ProviderError, match=messages[place]) as caught:
                await service.submit(job_request, idempotency_key="k")
            check_message(caught.value, service)
            assert caught.value.is_retryable == (place != "untrusted")
            if isinstance(submitted, Operation):
                moved = Operation(json.loads(json.dumps(submitted.data).replace(simulator.base, base)))
                with pytest.raises(errors.ProviderError, match=messages[place]):
                    await service.poll(moved)
            await service.aclose()

    async def test_a_revoked_key_loses_no_work(
        self, service: Provider, adapter: Adapter, simulator: Simulator, job_request: Request
    ) -> None:
        """The job does not fail: with another key a poll returns the result."""
        operation = await _submit(service, adapter, job_request)
        body = b'{"error": "no such key: simulated"}'
        simulator.world.fault = Fault(raw(401, body, "application/json"), _is_not_file)
        with pytest.raises(errors.SecretError, match="stores another key") as caught:
            await service.poll(operation)
        check_message(caught.value, service)
        simulator.world.fault = None
        _check_done(await poll_until_done(service, operation))

    @pytest.mark.parametrize("days", [-1, 1])
    async def test_a_wrong_local_clock_has_no_effect(
        self, adapter: Adapter, simulator: Simulator, job_request: Request, days: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Signatures, URL expiry and Retry-After dates use the service's clock."""
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + days * DAY_S)
        service = adapter.create()
        _check_done(await poll_until_done(service, await service.submit(job_request, idempotency_key="k")))
        at = dt.datetime.fromtimestamp(real(), dt.UTC)
        later = email.utils.format_datetime(at + dt.timedelta(seconds=7), usegmt=True)
        headers = {"date": email.utils.format_datetime(at, usegmt=True), "retry_after": later}
        simulator.world.fault = Fault(raw(429, b"{}", "application/json", **headers))
        busy = await service.submit(job_request, idempotency_key="k")
        assert isinstance(busy, Failed)
        assert (busy.is_retryable, busy.retry_after_s) == (True, 7.0)
        await service.aclose()

    async def test_the_key_is_sent_to_no_other_host(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        job_request: Request,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Downloads follow redirects without the key; polls follow none."""
        if not adapter.has_output_urls:
            pytest.skip("its outputs are part of the response")
        received: list[web.Request] = []

        async def answer(request: web.Request) -> web.Response:
            received.append(request)
            return web.Response(body=b"\x89PNG\r\n\x1a\n" + bytes(60), content_type="image/png")

        async with served(answer) as other:
            operation = await _submit(service, adapter, job_request)
            simulator.world.fault = Fault(raw(302, b"", location=f"{other}/x"), _is_not_file)
            with pytest.raises(errors.ProviderError):
                await service.poll(operation)
            assert received == []
            # The other host is on loopback, which downloads normally reject.
            monkeypatch.setattr(download, "check_public", lambda *_: None)
            simulator.world.fault = Fault(raw(302, b"", location=f"{other}/x"), _is_file)
            _check_done(await poll_until_done(service, operation))
        assert received
        assert not [value for request in received for value in request.headers.values() if str(SIMULATED_KEY) in value]

    async def test_an_output_over_the_size_limit_is_rejected(
        self, service: Provider, adapter: Adapter, job_request: Request, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The download stops at the limit with an error."""
        if not adapter.has_output_urls:
            pytest.skip("its outputs are part of the response")
        operation = await _submit(service, adapter, job_request)
        monkeypatch.setattr(download, "OUTPUT_BYTES", 10)
        status = await poll_until_done(service, operation)
        assert isinstance(status, Failed)
        assert (status.code, status.is_retryable) == ("output_lost", False)
        assert "longer than" in status.message


def check_message(error: errors.FusionFlowError, service: Provider) -> None:
    """Check that an error has a sentence, a provider, a hint, and neither the key nor a long response body."""
    assert error.what.endswith((".", "'"))
    assert error.provider == service.name
    assert error.hint
    assert len(str(error)) < MAX_MESSAGE_LENGTH
    assert str(SIMULATED_KEY) not in str(error)


async def _submit(service: Provider, adapter: Adapter, request: Request) -> Operation:
    if not adapter.is_queue:
        pytest.skip("the service has no polls")
    operation = await service.submit(request, idempotency_key="k")
    assert isinstance(operation, Operation)
    return operation


def _check_done(status: Status) -> None:
    assert isinstance(status, Done), status
    for output in status.outputs:
        assert read_output(output)
