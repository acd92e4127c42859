"""From a person's call to the tape, over a service's protocol on a real socket."""

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

    from support.engine import Heard

    from fusionflow_nb.simulator.scenario import Job
    from fusionflow_nb.testing.contract import Adapter

PROVIDER = {"flux-pro": "fal", "flux-1.1-pro": "replicate", "gpt-image-2": "openai"}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The simulator on a thread of its own, as a program beside this one would be."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Simulator()
    asyncio.run_coroutine_threadsafe(made.__aenter__(), loop).result()
    monkeypatch.setenv(SIMULATOR_VARIABLE, made.base)
    yield made
    use_session(None)
    asyncio.run_coroutine_threadsafe(made.__aexit__(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("model", PROVIDER)
def test_one_call_whoever_serves_it(services: Simulator, model: str) -> None:
    """The same line of Python gives a picture; the tape says who made it and what it cost; a second call is free."""
    picture = ff.generate_image("hills at dawn", model=model).result()
    assert picture.width > 0
    asked = len(services.world.asked)
    again = ff.generate_image("hills at dawn", model=model).result()
    assert (again.sha256, len(services.world.asked)) == (picture.sha256, asked)
    [(provider, status, cost)] = ff.tape.sql("SELECT provider, status, cost_computation FROM generations").rows()
    assert (provider, status) == (PROVIDER[model], "succeeded")
    assert cost > 0


def test_speech_by_one_call(services: Simulator) -> None:
    """The voice is the model's own if none is named, and the characters that were charged have their price."""
    sound = ff.generate_audio("hello", model="eleven-flash-v2.5").result()
    assert sniff(sound.bytes()) == "audio/wav"
    assert services.world.asked[-1].path.endswith("/text-to-speech/JBFqnCBsd6RMkjVDRZzb")
    [(cost,)] = ff.tape.sql("SELECT cost_computation FROM generations").rows()
    assert float(cost) == pytest.approx(5 * 0.00004)


def test_the_price_is_what_the_service_says(services: Simulator) -> None:
    """Fal counts units, and names the price of one to this account: a tenth less than the table."""
    ff.generate_image("hills", model="flux-pro").result()
    [(cost, estimate)] = ff.tape.sql("SELECT cost_computation, cost_estimate FROM generations").rows()
    assert (float(cost), float(estimate)) == (0.036, 0.04)


@pytest.mark.parametrize(
    ("mood", "error"),
    [
        (Scenario(end="refused"), errors.RefusedError),
        (Scenario(end="failed"), errors.ProviderError),
        (Scenario(submit="lost"), errors.UnknownOutcomeError),
        (Scenario(submit="broken"), errors.UnknownOutcomeError),
        (Scenario(submit="invalid"), errors.ProviderError),
    ],
    ids=["refused", "failed", "lost", "broken", "invalid"],
)
def test_what_goes_wrong_has_its_own_class(services: Simulator, mood: Scenario, error: type[Exception]) -> None:
    """And a lost submit is not sent again by asking again."""
    services.world.moods.append(mood)
    with pytest.raises(error):
        ff.generate_image("hills", model="flux-pro").result()
    if error is errors.UnknownOutcomeError:
        asked = len(services.world.asked)
        with pytest.raises(errors.UnknownOutcomeError):
            ff.generate_image("hills", model="flux-pro").result()
        assert len(services.world.asked) == asked


def test_a_busy_service_is_asked_again(services: Simulator) -> None:
    """After as long as it says; then all is well, and one picture is paid for."""
    services.world.moods.extend([Scenario(submit="busy"), Scenario()])
    ff.generate_image("hills", model="flux-pro").result()
    assert len(services.world.jobs) == 1


@pytest.mark.slow
def test_a_job_that_never_ends_stays_open(services: Simulator, adapter: Adapter) -> None:
    """After its time it is an error that says so; once the service is done, the next run brings it home, paid once."""
    if not adapter.is_queue:
        pytest.skip("there is nothing to wait for")
    model, task = adapter.first()
    if task == "image-to-video":  # the same models make films of words alone
        task = "text-to-video"
    calls = {"text-to-image": ff.generate_image, "text-to-audio": ff.generate_audio, "text-to-video": ff.generate_video}
    make = calls[task]
    registry = current_session().registry
    entry = registry.resolve(f"{adapter.make().name}/{model}")
    registry._entries[entry.id] = entry.model_copy(update={"timeout_s": 0.2})
    services.world.moods.append(Scenario(end="never"))
    ff.budget(run=5)  # a film whose length is left open counts as the longest and largest
    with pytest.raises(errors.JobTimeoutError, match="run again"):
        make("hills", model=entry.id, unpriced=1.0).result(PATIENCE_S)
    registry._entries[entry.id] = entry
    [job] = services.world.jobs.values()
    [made] = asyncio.run(_drawn(services, task))
    job.made, job.mood = (made,), Scenario()
    assert make("hills", model=entry.id, unpriced=1.0).result(PATIENCE_S)
    assert len(services.world.jobs) == 1
    assert ff.tape.sql("SELECT status FROM generations").rows() == [("succeeded",)]


async def _drawn(services: Simulator, task: str) -> Any:
    from fusionflow_nb.simulator.media import Maker

    maker = Maker()
    try:
        return await maker.make(task, "hills", {}, [])
    finally:
        await maker.aclose()


def test_an_unpriced_model_asks_for_an_allowance(services: Simulator) -> None:
    """No price in the catalogue: nothing is sent without a cap in dollars."""
    picture = ff.generate_image("hills", model="flux-pro").result()
    asked = len(services.world.asked)
    with pytest.raises(errors.OverBudgetError):
        ff.upscale(picture, model="clarity-upscaler").result()
    assert len(services.world.asked) == asked
    assert ff.upscale(picture, model="clarity-upscaler", factor=2, unpriced=0.2).result().width > picture.width


def test_what_the_simulator_made_is_kept_apart(services: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures must never be taken for a service's own, nor its dollars for spent ones."""
    ff.generate_image("hills", model="flux-pro").result()
    monkeypatch.delenv(SIMULATOR_VARIABLE)
    use_session(None)
    assert ff.tape.sql("SELECT * FROM generations").rows() == []
    with pytest.raises(errors.SecretError, match="no key"):
        ff.generate_image("hills", model="flux-pro").result()


def test_a_retired_model_says_so(services: Simulator) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.RetiredModelError, match="ended on 2026-09-24"):
        ff.generate_video("hills", model="sora-2").result()
    assert not services.world.asked


@pytest.mark.parametrize("name", ["midjourney", "Midjourney-v7", "midjourney/v7"])
def test_what_has_no_api_names_what_comes_closest(services: Simulator, name: str) -> None:
    """Nobody is left with a list of names that look alike."""
    with pytest.raises(errors.UnknownModelError, match=r"no public API.*flux-2-flex"):
        ff.generate_image("hills", model=name)


def test_the_table_of_models_tells_price_end_and_key(services: Simulator) -> None:
    """What needs no key comes first; a price is in words; a model that ended says when."""
    rows = {row[0]: row for row in ff.models().rows()}
    assert next(iter(rows)).startswith("local/")
    assert rows["openai/gpt-image-2"][3:5] == ("$30 / million tokens (uncertain)", "simulated")
    assert rows["openai/sora-2"][3] == "ended 2026-09-24"
    assert rows["openai/tts-1"][3] == "unpriced, ends 2027-01-06"


def test_partial_pictures_reach_who_watches_the_run(services: Simulator, heard: Heard) -> None:
    """A service that answers in one piece has something to show on the way."""
    ff.generate_image("hills", model="gpt-image-2").result()
    previews = [event.preview for event in heard.events if event.preview]
    assert previews
    assert all(sniff(preview) == "image/png" for preview in previews)


def test_work_that_a_kernel_left_behind_is_brought_home(services: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed while the answer to the submit is on its way: polled and fetched by the next kernel, submitted once."""
    begin, taken = services.world.begin, threading.Event()

    async def told(*args: Any, **kwargs: Any) -> Job:
        job = await begin(*args, **kwargs)
        taken.set()
        return job

    monkeypatch.setattr(services.world, "begin", told)
    services.world.moods.append(Scenario(looks=3))
    ff.generate_image("hills", model="flux-pro")
    assert taken.wait(PATIENCE_S)
    use_session(None)  # the kernel ends; what the service has accepted is left to it
    assert len(ff.resume()) == 1
    submits = [each for each in services.world.asked if each.method == "POST"]
    assert len(submits) == 1
    assert ff.tape.sql("SELECT status FROM generations WHERE status = 'succeeded'").rows() == [("succeeded",)]
