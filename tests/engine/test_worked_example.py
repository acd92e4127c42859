"""The design's worked example: three prompts times two seeds into a video node, and one is refused."""

from __future__ import annotations

from fusionflow_nb.testing.fake import Behaviour

REFUSED = "a prompt the service refuses"


def drawn(flow):
    """Prompts times seeds -> picture -> video -> contact sheet; the videos alone ask the moody prompt."""
    prompts = flow.prompts(["dawn", "noon", REFUSED], name="prompts")
    seeds = flow.seeds([7, 21], name="seeds")
    stills = flow.generate_image(prompts, model="fake/image", seed=seeds, name="stills")
    films = flow.generate_video(
        image=stills, prompt=prompts, model="fake/video", duration_s=1, seed=seeds, name="films"
    )
    return flow.contact_sheet(videos=films, name="sheet")


def test_one_refused_cell_leaves_five_videos_and_a_labelled_hole(flow, fake, monkeypatch):
    """Five videos are kept, the refused cell says why, the sheet shows a hole, the next run submits that cell alone."""
    drawn(flow)
    refuse_one_video(fake, monkeypatch)
    run = flow.run().wait()

    films = run["films"]
    assert len(films) == 5
    [hole] = films.holes
    assert dict(hole.labels) == {"prompt": REFUSED, "seed": "21"}
    assert hole.note == "refused"
    assert [error.code for error in run.errors] == ["refused"]
    assert "refuses" in str(run.errors[0])
    assert run.jobs["sheet", ()].state == "succeeded", "a contact sheet shows the hole"
    submitted = len(fake.log())
    assert submitted == 12

    again = flow.run().wait()
    assert len(fake.log()) - submitted == 1, "only the refused cell is tried again"
    assert sum(status.state == "cached" for status in again.jobs.values()) >= 11
    assert again["sheet"].sha256 == run["sheet"].sha256, "the same hole makes the same sheet"


def test_the_sheet_is_made_anew_once_the_hole_is_filled(flow, fake, monkeypatch):
    """A hole filled later is another input: the sheet has another key, and shows six."""
    drawn(flow)
    undo = refuse_one_video(fake, monkeypatch)
    first = flow.run().wait()
    undo()
    second = flow.run().wait()
    assert second.status == "succeeded"
    assert len(second["films"]) == 6
    assert second["sheet"].sha256 != first["sheet"].sha256
    assert second.jobs["sheet", ()].state == "succeeded"
    assert len(fake.log()) == 13


def test_the_plan_prices_what_is_left(flow, fake, monkeypatch):
    """After the run the plan costs at most the refused cell; before it, every cell."""
    drawn(flow)
    before = flow.estimate()
    assert before.high_micro_usd == 6 * 40_000 + 6 * 50_000
    refuse_one_video(fake, monkeypatch)
    flow.run().wait()
    assert flow.estimate().high_micro_usd <= 50_000
    assert flow.states()["stills"] == "fresh"


def refuse_one_video(fake, monkeypatch):
    """The service refuses the video of one prompt with one seed; returns how to stop that."""
    submit = fake.submit

    async def moody(request, *, idempotency_key):
        if request.task == "image-to-video" and request.prompt == REFUSED and request.settings["seed"] == 21:
            fake.enqueue(Behaviour(end="refused"))
        return await submit(request, idempotency_key=idempotency_key)

    monkeypatch.setattr(fake, "submit", moody)
    return lambda: monkeypatch.setattr(fake, "submit", submit)
