"""Contract of an adapter: valid outputs, specific errors, no request sent twice."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Literal

import pytest

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.providers.http import endpoint
from fusionflow_nb.providers.protocol import (
    CancelAnswer,
    Cancelled,
    Done,
    Failed,
    NoFunds,
    Operation,
    Pending,
    Reference,
    Refused,
    SubmitAmbiguousError,
)
from fusionflow_nb.settings.credentials import Key
from fusionflow_nb.simulator import Scenario
from fusionflow_nb.simulator.scenario import BAD_KEY, File
from fusionflow_nb.testing.contract.fixtures import ContractFixtures
from fusionflow_nb.testing.contract.requests import (
    make_picture,
    make_request,
    make_task_request,
    poll_until_done,
    port_and_kind,
    read_output,
)

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.providers.model import Task
    from fusionflow_nb.providers.protocol import Provider, Request
    from fusionflow_nb.simulator import Simulator
    from fusionflow_nb.testing.contract.adapter import Adapter

MANY = 1000
PROMPTS = 4
"""Number of different prompts; the simulator caches their results."""
TASKS: tuple[Task, ...] = ("edit-image", "image-to-video", "upscale", "text-to-audio")


class AdapterContract(ContractFixtures):
    """Subclass it and supply the fixture `adapter`."""

    async def test_models_declare_tasks_and_request_mappings(self, service: Provider) -> None:
        """Every model names its provider, has tasks and maps its settings to the service's fields."""
        assert service.models
        for entry in service.models:
            assert entry.provider == service.name
            assert entry.tasks
            assert entry.wire is not None

    async def test_submit_and_poll_return_the_output(self, service: Provider, job_request: Request) -> None:
        """Another adapter instance polls; the output's content matches its declared type and port."""
        done = await poll_until_done(service, await service.submit(job_request, idempotency_key="k"))
        assert isinstance(done, Done)
        [output] = done.outputs
        port, kind = port_and_kind(output)
        assert port == kind

    async def test_another_process_finishes_a_job(self, service: Provider, job_request: Request) -> None:
        """After a restart the Operation, which is JSON, is sufficient."""
        operation = await service.submit(job_request, idempotency_key="k")
        if not isinstance(operation, Operation):
            pytest.skip("the response is the result")
        kind = type(service)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.subprocess_resume", kind.__module__, kind.__qualname__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        stdout, stderr = await process.communicate(json.dumps(operation.data).encode())
        assert process.returncode == 0, stderr.decode()
        assert all(port == medium for port, medium in json.loads(stdout))

    @pytest.mark.parametrize("task", TASKS)
    async def test_every_offered_task_returns_its_medium(
        self, service: Provider, adapter: Adapter, task: Task, tmp_path: Path
    ) -> None:
        """Input media are sent as the service accepts them: in the body, in a form, or uploaded first."""
        model = adapter.models().get(task) or pytest.skip(f"{service.name} offers no {task}")
        for large in (False, True) if task != "text-to-audio" else (False,):
            request = make_task_request(service, model, task, tmp_path, large=large)
            done = await poll_until_done(service, await service.submit(request, idempotency_key=f"k-{large}"))
            assert isinstance(done, Done), done
            ports = {port_and_kind(output) for output in done.outputs}
            expected = "video" if task.endswith("video") else "audio" if task.endswith("audio") else "image"
            assert {port for port, _ in ports} == {expected}

    async def test_count_returns_that_many_outputs(self, service: Provider, adapter: Adapter) -> None:
        """One call returns `count` different outputs."""
        model = adapter.image or pytest.skip(f"{service.name} has no text-to-image model")
        [entry] = [entry for entry in service.models if entry.provider_model_id == model]
        if "count" not in entry.parameters:
            pytest.skip(f"{entry.id} has no count")
        request = make_request(service, model, settings={"count": 3})
        done = await poll_until_done(service, await service.submit(request, idempotency_key="k"))
        assert isinstance(done, Done)
        assert len({read_output(output) for output in done.outputs}) == 3  # noqa: PLR2004 - the count

    async def test_a_reference_with_a_url_is_not_uploaded(
        self, service: Provider, adapter: Adapter, simulator: Simulator, tmp_path: Path
    ) -> None:
        """If the service accepts URLs, the URL is sent and nothing is uploaded."""
        model = adapter.edit or pytest.skip(f"{service.name} has no edit-image model")
        if service.takes_references == "bytes":
            pytest.skip("the service accepts only bytes")
        local = make_picture(tmp_path)
        content = await asyncio.to_thread(local.file.read_bytes)
        simulator.world.files["there.png"] = File(content, "image/png", float("inf"))
        url = "https://bucket.example.com/there.png"
        references = {"image": [Reference(local.asset, local.file, url=url)]}
        await service.submit(make_request(service, model, "edit-image", references=references), idempotency_key="k")
        [request] = simulator.world.requests
        assert url in request.body.decode()

    async def test_reported_progress_is_forwarded(
        self, service: Provider, adapter: Adapter, simulator: Simulator, tmp_path: Path
    ) -> None:
        """Queue position, fraction and preview are forwarded and valid."""
        if not adapter.reports_progress:
            pytest.skip("the service reports no progress")
        updates: list[Pending] = []
        simulator.world.scenarios.append(Scenario(polls=4))
        model, task = adapter.first_model()
        request = make_task_request(service, model, task, tmp_path, on_progress=updates.append)
        done = await poll_until_done(service, await service.submit(request, idempotency_key="k"), updates.append)
        assert isinstance(done, Done)
        for output in done.outputs:
            read_output(output)
        assert any(update.queue_position is not None or update.progress or update.preview for update in updates)
        assert all(sniff(update.preview) for update in updates if update.preview)
        assert all(update.progress is None or 0 <= update.progress <= 1 for update in updates)

    @pytest.mark.parametrize("end", ["refused", "failed"])
    async def test_refused_and_failed_jobs_are_not_retried(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        job_request: Request,
        end: Literal["refused", "failed"],
    ) -> None:
        """A refusal is distinguished from a failure if the service does so; neither is retryable."""
        if end == "failed" and not adapter.is_queue:
            pytest.skip("a failure of a synchronous service leaves the outcome unknown")
        simulator.world.scenarios.append(Scenario(end=end))
        status = await poll_until_done(service, await service.submit(job_request, idempotency_key="k"))
        assert type(status).__name__ == (adapter.refusal if end == "refused" else "Failed")
        assert not getattr(status, "is_retryable", False)

    @pytest.mark.parametrize("submit", ["busy", "no_funds", "invalid"])
    async def test_a_rejected_submit_reports_the_reason(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        job_request: Request,
        submit: Literal["busy", "no_funds", "invalid"],
    ) -> None:
        """Only a busy service is retryable, after its Retry-After; an empty account and a bad request are not."""
        simulator.world.scenarios.append(Scenario(submit=submit))
        status = await service.submit(job_request, idempotency_key="k")
        assert isinstance(status, Failed | NoFunds | Refused)
        if submit == "busy":
            assert (getattr(status, "is_retryable", None), getattr(status, "retry_after_s", None)) == (True, 1.0)
        else:
            assert type(status).__name__ == (adapter.no_funds if submit == "no_funds" else "Failed")
            assert not getattr(status, "is_retryable", False)

    @pytest.mark.parametrize("submit", ["broken", "lost"])
    async def test_an_ambiguous_submit_is_sent_once(
        self, service: Provider, simulator: Simulator, job_request: Request, submit: Literal["broken", "lost"]
    ) -> None:
        """A server error or a connection lost after the request raises SubmitAmbiguousError."""
        simulator.world.scenarios.append(Scenario(submit=submit))
        with pytest.raises(SubmitAmbiguousError):
            await service.submit(job_request, idempotency_key="k")
        assert len(simulator.world.requests) == 1

    async def test_cancel_stops_work_where_supported(
        self, service: Provider, adapter: Adapter, simulator: Simulator, job_request: Request
    ) -> None:
        """Elsewhere it returns UNSUPPORTED, and the cost is spent."""
        simulator.world.scenarios.append(Scenario(end="never"))
        if not adapter.is_queue:
            assert await service.cancel(Operation({})) is CancelAnswer.UNSUPPORTED
            return
        operation = await service.submit(job_request, idempotency_key="k")
        assert isinstance(operation, Operation)
        assert (await service.cancel(operation) is not CancelAnswer.UNSUPPORTED) == adapter.can_cancel
        if adapter.can_cancel:
            assert isinstance(await poll_until_done(service, operation), Cancelled | Failed)

    async def test_a_rejected_key_raises_secret_error(
        self, adapter: Adapter, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """No job is started, and the error explains how to store another key."""
        monkeypatch.setattr(endpoint, "SIMULATED_KEY", Key(BAD_KEY))
        service = adapter.create()
        model, task = adapter.first_model()
        with pytest.raises(errors.SecretError, match="stores another key"):
            await service.submit(make_task_request(service, model, task, tmp_path), idempotency_key="k")
        await service.aclose()
        assert simulator.world.jobs == {}

    async def test_an_expired_output_is_lost_and_charged(
        self, service: Provider, adapter: Adapter, simulator: Simulator, job_request: Request
    ) -> None:
        """A download after the URL has expired fails without further polls, and the cost is recorded."""
        if not adapter.has_output_urls:
            pytest.skip("its outputs are part of the response")
        simulator.world.lifetime_s = 0.0
        submitted = await service.submit(job_request, idempotency_key="k")
        status = await poll_until_done(service, submitted)
        assert isinstance(status, Failed)
        assert (status.code, status.is_retryable) == ("output_lost", False)
        assert status.cost is not None
        if not job_request.model.estimate(dict(job_request.settings), prompt=job_request.prompt).is_unpriced:
            assert status.cost.micro_usd > 0

    async def test_1000_concurrent_jobs_succeed(
        self, service: Provider, adapter: Adapter, simulator: Simulator, tmp_path: Path
    ) -> None:
        """No job fails and no output is lost."""
        simulator.world.scenarios.extend([Scenario(polls=0)] * MANY)
        model, task = adapter.first_model()
        requests = [make_task_request(service, model, task, tmp_path, prompt=f"hills {at}") for at in range(PROMPTS)]

        async def run_job(number: int) -> None:
            submitted = await service.submit(requests[number % PROMPTS], idempotency_key=str(number))
            while isinstance(submitted, Operation) and isinstance(status := await service.poll(submitted), Pending):
                pass
            done = status if isinstance(submitted, Operation) else submitted
            assert isinstance(done, Done)
            for output in done.outputs:
                read_output(output)

        await asyncio.gather(*(run_job(number) for number in range(MANY)))
