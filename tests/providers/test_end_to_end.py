"""From a public call to the tape, over HTTP on a real socket."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.engine import PATIENCE_S

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import sniff
from fusionflow_nb.session import current_session, use_session
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE
from fusionflow_nb.simulator import Scenario, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.engine import EventRecorder

    from fusionflow_nb.simulator.scenario import Job
    from fusionflow_nb.testing.contract import Adapter

PROVIDER = {"flux-pro": "fal", "flux-1.1-pro": "replicate", "gpt-image-2": "openai"}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The simulator in a thread with its own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator()
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
    monkeypatch.setenv(SIMULATOR_VARIABLE, simulator.base)
    yield simulator
    use_session(None)
    asyncio.run_coroutine_threadsafe(simulator.__aexit__(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("model", PROVIDER)
def test_one_call_works_with_every_service(services: Simulator, model: str) -> None:
    """The same call works for each service; the tape records service and cost; a second call is free."""
    picture = ff.generate_image("hills at dawn", model=model).result()
    assert picture.width > 0
    requests = len(services.world.requests)
    again = ff.generate_image("hills at dawn", model=model).result()
    assert (again.sha256, len(services.world.requests)) == (picture.sha256, requests)
    [(provider, status, cost)] = ff.tape.sql("SELECT provider, status, cost_computation FROM generations").rows()
    assert (provider, status) == (PROVIDER[model], "succeeded")
    assert cost > 0


def test_speech_by_one_call(services: Simulator) -> None:
    """The default voice is used, and the charged characters have their price."""
    sound = ff.generate_audio("hello", model="eleven-flash-v2.5").result()
    assert sniff(sound.bytes()) == "audio/wav"
    assert services.world.requests[-1].path.endswith("/text-to-speech/JBFqnCBsd6RMkjVDRZzb")
    [(cost,)] = ff.tape.sql("SELECT cost_computation FROM generations").rows()
    assert float(cost) == pytest.approx(5 * 0.00004)


def test_the_cost_is_what_the_service_reports(services: Simulator) -> None:
    """The service returns billed units and the account's unit price, which is 10 % below the catalogue's."""
    ff.generate_image("hills", model="flux-pro").result()
    [(cost, estimate)] = ff.tape.sql("SELECT cost_computation, cost_estimate FROM generations").rows()
    assert (float(cost), float(estimate)) == (0.036, 0.04)


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        (Scenario(end="refused"), errors.RefusedError),
        (Scenario(end="failed"), errors.ProviderError),
        (Scenario(submit="lost"), errors.UnknownOutcomeError),
        (Scenario(submit="broken"), errors.UnknownOutcomeError),
        (Scenario(submit="invalid"), errors.ProviderError),
    ],
    ids=["refused", "failed", "lost", "broken", "invalid"],
)
def test_each_failure_has_its_error_class(services: Simulator, scenario: Scenario, error: type[Exception]) -> None:
    """Each kind of failure has its class, and a lost submit is not sent again by a second call."""
    services.world.scenarios.append(scenario)
    with pytest.raises(error):
        ff.generate_image("hills", model="flux-pro").result()
    if error is errors.UnknownOutcomeError:
        requests = len(services.world.requests)
        with pytest.raises(errors.UnknownOutcomeError):
            ff.generate_image("hills", model="flux-pro").result()
        assert len(services.world.requests) == requests


def test_a_busy_service_is_retried(services: Simulator) -> None:
    """After the stated delay the submit is repeated, and one image is paid for."""
    services.world.scenarios.extend([Scenario(submit="busy"), Scenario()])
    ff.generate_image("hills", model="flux-pro").result()
    assert len(services.world.jobs) == 1


@pytest.mark.slow
def test_a_job_that_never_ends_stays_open(services: Simulator, adapter: Adapter) -> None:
    """After the timeout it is an error; once the service is done, the next run fetches the result and pays once."""
    if not adapter.is_queue:
        pytest.skip("there is nothing to wait for")
    model, task = adapter.first_model()
    if task == "image-to-video":  # the same models do text-to-video
        task = "text-to-video"
    calls = {"text-to-image": ff.generate_image, "text-to-audio": ff.generate_audio, "text-to-video": ff.generate_video}
    call = calls[task]
    registry = current_session().registry
    entry = registry.resolve(f"{adapter.create().name}/{model}")
    registry._entries[entry.id] = entry.model_copy(update={"timeout_s": 0.2})
    services.world.scenarios.append(Scenario(end="never"))
    ff.budget(run=5)  # a video of unspecified length and size counts as the longest and largest
    with pytest.raises(errors.JobTimeoutError, match="run again"):
        call("hills", model=entry.id, unpriced=1.0).result(PATIENCE_S)
    registry._entries[entry.id] = entry
    [job] = services.world.jobs.values()
    [output] = asyncio.run(_drawn(services, task))
    job.results, job.scenario = (output,), Scenario()
    assert call("hills", model=entry.id, unpriced=1.0).result(PATIENCE_S)
    assert len(services.world.jobs) == 1
    assert ff.tape.sql("SELECT status FROM generations").rows() == [("succeeded",)]


async def _drawn(services: Simulator, task: str) -> Any:
    from fusionflow_nb.simulator.media import MediaGenerator

    generator = MediaGenerator()
    try:
        return await generator.generate(task, "hills", {}, [])
    finally:
        await generator.aclose()


def test_an_unpriced_model_needs_an_allowance(services: Simulator) -> None:
    """Without a price in the catalogue, nothing is sent without an allowance."""
    picture = ff.generate_image("hills", model="flux-pro").result()
    requests = len(services.world.requests)
    with pytest.raises(errors.OverBudgetError):
        ff.upscale(picture, model="clarity-upscaler").result()
    assert len(services.world.requests) == requests
    assert ff.upscale(picture, model="clarity-upscaler", factor=2, unpriced=0.2).result().width > picture.width


def test_simulated_results_have_a_separate_home(services: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated results and costs are stored in a separate home."""
    ff.generate_image("hills", model="flux-pro").result()
    monkeypatch.delenv(SIMULATOR_VARIABLE)
    use_session(None)
    assert ff.tape.sql("SELECT * FROM generations").rows() == []
    with pytest.raises(errors.SecretError, match="No key"):
        ff.generate_image("hills", model="flux-pro").result()


def test_a_retired_model_is_an_error(services: Simulator) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.RetiredModelError, match="ended on 2026-09-24"):
        ff.generate_video("hills", model="sora-2").result()
    assert not services.world.requests


@pytest.mark.parametrize("name", ["midjourney", "Midjourney-v7", "midjourney/v7"])
def test_a_service_without_an_api_names_alternatives(services: Simulator, name: str) -> None:
    """The error names models of a similar look."""
    with pytest.raises(errors.UnknownModelError, match=r"no public API.*flux-2-flex"):
        ff.generate_image("hills", model=name)


def test_the_model_table_has_price_end_date_and_key(services: Simulator) -> None:
    """Models without a key come first; prices are in words; retired models show their end date."""
    rows = {row[0]: row for row in ff.models().rows()}
    assert next(iter(rows)).startswith("local/")
    assert rows["openai/gpt-image-2"][3:5] == ("$30 / million tokens (uncertain)", "simulated")
    assert rows["openai/sora-2"][3] == "ended 2026-09-24"
    assert rows["openai/tts-1"][3] == "unpriced, ends 2027-01-06"


def test_partial_images_reach_subscribers_of_the_run(services: Simulator, recorder: EventRecorder) -> None:
    """A synchronous service reports partial images."""
    ff.generate_image("hills", model="gpt-image-2").result()
    previews = [event.preview for event in recorder.events if event.preview]
    assert previews
    assert all(sniff(preview) == "image/png" for preview in previews)


def test_the_next_kernel_fetches_open_work(services: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed before the answer to the submit arrives: the next kernel polls and fetches without a second submit."""
    start_job, accepted = services.world.start_job, threading.Event()

    async def start_and_signal(*args: Any, **kwargs: Any) -> Job:
        job = await start_job(*args, **kwargs)
        accepted.set()
        return job

    monkeypatch.setattr(services.world, "start_job", start_and_signal)
    services.world.scenarios.append(Scenario(polls=3))
    ff.generate_image("hills", model="flux-pro")
    assert accepted.wait(PATIENCE_S)
    use_session(None)  # the kernel ends; accepted work continues at the service
    assert len(ff.resume()) == 1
    submits = [request for request in services.world.requests if request.method == "POST"]
    assert len(submits) == 1
    assert ff.tape.sql("SELECT status FROM generations WHERE status = 'succeeded'").rows() == [("succeeded",)]
