"""The suite: outputs that are there, errors that say what they are, nothing sent twice."""

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
from fusionflow_nb.testing.contract.fixtures import Stage
from fusionflow_nb.testing.contract.requests import asked, asked_for, ended, kind_of, picture, taken

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.providers.model import Task
    from fusionflow_nb.providers.protocol import Provider, Request
    from fusionflow_nb.simulator import Simulator
    from fusionflow_nb.testing.contract.adapter import Adapter

MANY = 1000
WORDS = 4
"""So many different results are made; the service's side is not what is measured."""
TASKS: tuple[Task, ...] = ("edit-image", "image-to-video", "upscale", "text-to-audio")


class AdapterContract(Stage):
    """Subclass it; a fixture `adapter` gives the one that is tried."""

    async def test_its_models_are_declared(self, service: Provider) -> None:
        """Ids, tasks and a table of the wire for each; a price, or it says that there is none."""
        assert service.models
        for entry in service.models:
            assert entry.provider == service.name
            assert entry.tasks
            assert entry.wire is not None

    async def test_a_result_comes_home(self, service: Provider, request_: Request) -> None:
        """Submit, polls by another adapter, the bytes here, and what they are."""
        done = await ended(service, await service.submit(request_, idempotency_key="k"))
        assert isinstance(done, Done)
        [output] = done.outputs
        port, kind = kind_of(output)
        assert port == kind

    async def test_another_process_brings_it_home(self, service: Provider, request_: Request) -> None:
        """As after a kernel's end: by the Operation alone, which is JSON."""
        begun = await service.submit(request_, idempotency_key="k")
        if not isinstance(begun, Operation):
            pytest.skip("its answer is the result")
        kind = type(service)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.subprocess_resume", kind.__module__, kind.__qualname__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        said, trouble = await process.communicate(json.dumps(begun.data).encode())
        assert process.returncode == 0, trouble.decode()
        assert all(port == medium for port, medium in json.loads(said))

    @pytest.mark.parametrize("task", TASKS)
    async def test_what_else_is_offered(self, service: Provider, adapter: Adapter, task: Task, tmp_path: Path) -> None:
        """Media travel as the service takes them: in the body, in a form, or uploaded first."""
        model = adapter.models().get(task) or pytest.skip(f"{service.name} offers no {task}")
        for large in (False, True) if task != "text-to-audio" else (False,):
            request = asked_for(service, model, task, tmp_path, large=large)
            done = await ended(service, await service.submit(request, idempotency_key=f"k-{large}"))
            assert isinstance(done, Done), done
            ports = {kind_of(output) for output in done.outputs}
            wanted = "video" if task.endswith("video") else "audio" if task.endswith("audio") else "image"
            assert {port for port, _ in ports} == {wanted}

    async def test_several_pictures_are_several_outputs(self, service: Provider, adapter: Adapter) -> None:
        """One call, its outputs in order."""
        model = adapter.image or pytest.skip(f"{service.name} makes no pictures from a prompt")
        [entry] = [each for each in service.models if each.provider_model_id == model]
        if "count" not in entry.parameters:
            pytest.skip(f"{entry.id} makes one at a time")
        request = asked(service, model, settings={"count": 3})
        done = await ended(service, await service.submit(request, idempotency_key="k"))
        assert isinstance(done, Done)
        assert len({taken(output) for output in done.outputs}) == 3  # noqa: PLR2004 - as asked for

    async def test_a_reference_that_has_an_address_goes_by_it(
        self, service: Provider, adapter: Adapter, simulator: Simulator, tmp_path: Path
    ) -> None:
        """Where the service takes addresses, no byte is uploaded."""
        model = adapter.edit or pytest.skip(f"{service.name} edits no pictures")
        if service.takes_references == "bytes":
            pytest.skip("this service takes bytes only")
        given = picture(tmp_path)
        content = await asyncio.to_thread(given.file.read_bytes)
        simulator.world.files["there.png"] = File(content, "image/png", float("inf"))
        address = "https://bucket.example.com/there.png"
        references = {"image": [Reference(given.asset, given.file, url=address)]}
        await service.submit(asked(service, model, "edit-image", references=references), idempotency_key="k")
        [request] = simulator.world.asked
        assert address in request.body.decode()

    async def test_what_the_service_tells_is_passed_on(
        self, service: Provider, adapter: Adapter, simulator: Simulator, tmp_path: Path
    ) -> None:
        """A place in the queue, a fraction, a partial picture: whatever is real."""
        if not adapter.tells:
            pytest.skip("this service says nothing on the way")
        heard: list[Pending] = []
        simulator.world.moods.append(Scenario(looks=4))
        model, task = adapter.first()
        request = asked_for(service, model, task, tmp_path, on_progress=heard.append)
        done = await ended(service, await service.submit(request, idempotency_key="k"), heard.append)
        assert isinstance(done, Done)
        for output in done.outputs:
            taken(output)
        assert any(each.queue_position is not None or each.progress or each.preview for each in heard)
        assert all(sniff(each.preview) for each in heard if each.preview)
        assert all(each.progress is None or 0 <= each.progress <= 1 for each in heard)

    @pytest.mark.parametrize("end", ["refused", "failed"])
    async def test_ends_that_are_no_success(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        request_: Request,
        end: Literal["refused", "failed"],
    ) -> None:
        """Refusals are told from failures wherever the service tells them; neither is to be submitted again."""
        if end == "failed" and not adapter.is_queue:
            pytest.skip("a synchronous service that fails leaves its outcome unknown")
        simulator.world.moods.append(Scenario(end=end))
        status = await ended(service, await service.submit(request_, idempotency_key="k"))
        assert type(status).__name__ == (adapter.refusal if end == "refused" else "Failed")
        assert not getattr(status, "is_retryable", False)

    @pytest.mark.parametrize("submit", ["busy", "no_funds", "invalid"])
    async def test_a_submit_that_is_not_taken_says_why(
        self,
        service: Provider,
        adapter: Adapter,
        simulator: Simulator,
        request_: Request,
        submit: Literal["busy", "no_funds", "invalid"],
    ) -> None:
        """Only a busy service is asked again, after as long as it says; an empty account and a bad request never."""
        simulator.world.moods.append(Scenario(submit=submit))
        status = await service.submit(request_, idempotency_key="k")
        assert isinstance(status, Failed | NoFunds | Refused)
        if submit == "busy":
            assert (getattr(status, "is_retryable", None), getattr(status, "retry_after_s", None)) == (True, 1.0)
        else:
            assert type(status).__name__ == (adapter.no_funds if submit == "no_funds" else "Failed")
            assert not getattr(status, "is_retryable", False)

    @pytest.mark.parametrize("submit", ["broken", "lost"])
    async def test_what_nobody_knows_is_unknown(
        self, service: Provider, simulator: Simulator, request_: Request, submit: Literal["broken", "lost"]
    ) -> None:
        """An error of the server, or a connection that breaks after the request: one request, and no second."""
        simulator.world.moods.append(Scenario(submit=submit))
        with pytest.raises(SubmitAmbiguousError):
            await service.submit(request_, idempotency_key="k")
        assert len(simulator.world.asked) == 1

    async def test_work_is_stopped_where_the_service_can(
        self, service: Provider, adapter: Adapter, simulator: Simulator, request_: Request
    ) -> None:
        """And where it cannot, the answer says so: the money is spent."""
        simulator.world.moods.append(Scenario(end="never"))
        if not adapter.is_queue:
            assert await service.cancel(Operation({})) is CancelAnswer.UNSUPPORTED
            return
        begun = await service.submit(request_, idempotency_key="k")
        assert isinstance(begun, Operation)
        assert (await service.cancel(begun) is not CancelAnswer.UNSUPPORTED) == adapter.cancels
        if adapter.cancels:
            assert isinstance(await ended(service, begun), Cancelled | Failed)

    async def test_a_key_that_is_not_taken_is_said_to_be(
        self, adapter: Adapter, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Nothing is begun, and the error says how to store another."""
        monkeypatch.setattr(endpoint, "SIMULATED_KEY", Key(BAD_KEY))
        service = adapter.make()
        model, task = adapter.first()
        with pytest.raises(errors.SecretError, match="stores another key"):
            await service.submit(asked_for(service, model, task, tmp_path), idempotency_key="k")
        await service.aclose()
        assert simulator.world.jobs == {}

    async def test_an_output_that_has_expired_is_said_to_be(
        self, service: Provider, adapter: Adapter, simulator: Simulator, request_: Request
    ) -> None:
        """Addresses live for minutes to hours; a late fetch is no endless poll, and the money is spent all the same."""
        if not adapter.fetches:
            pytest.skip("its outputs come in an answer")
        simulator.world.lifetime_s = 0.0
        begun = await service.submit(request_, idempotency_key="k")
        status = await ended(service, begun)
        assert isinstance(status, Failed)
        assert (status.code, status.is_retryable) == ("output_lost", False)
        assert status.cost is not None
        if not request_.model.estimate(dict(request_.settings), prompt=request_.prompt).is_unpriced:
            assert status.cost.micro_usd > 0

    async def test_many_jobs_at_once(
        self, service: Provider, adapter: Adapter, simulator: Simulator, tmp_path: Path
    ) -> None:
        """1,000 jobs, no error, no output lost."""
        simulator.world.moods.extend([Scenario(looks=0)] * MANY)
        model, task = adapter.first()
        requests = [asked_for(service, model, task, tmp_path, prompt=f"hills {at}") for at in range(WORDS)]

        async def one(number: int) -> None:
            begun = await service.submit(requests[number % WORDS], idempotency_key=str(number))
            while isinstance(begun, Operation) and isinstance(status := await service.poll(begun), Pending):
                pass
            done = status if isinstance(begun, Operation) else begun
            assert isinstance(done, Done)
            for output in done.outputs:
                taken(output)

        await asyncio.gather(*(one(number) for number in range(MANY)))
