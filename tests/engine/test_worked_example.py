"""The design's worked example: three prompts times two seeds into a video node; one cell is refused."""

from __future__ import annotations

from fusionflow_nb.testing.fake import Behaviour

REFUSED = "a prompt the service refuses"


def drawn(flow):
    """Prompts times seeds -> image -> video -> contact sheet."""
    prompts = flow.prompts(["dawn", "noon", REFUSED], name="prompts")
    seeds = flow.seeds([7, 21], name="seeds")
    stills = flow.generate_image(prompts, model="fake/image", seed=seeds, name="stills")
    videos = flow.generate_video(
        image=stills, prompt=prompts, model="fake/video", duration_s=1, seed=seeds, name="videos"
    )
    return flow.contact_sheet(videos=videos, name="sheet")


def test_refused_cell_leaves_five_videos_and_a_labelled_hole(flow, fake, monkeypatch):
    """The refused cell has a reason, the sheet shows a hole, and the next run submits only that cell."""
    drawn(flow)
    refuse_one_video(fake, monkeypatch)
    run = flow.run().wait()

    videos = run["videos"]
    assert len(videos) == 5
    [hole] = videos.holes
    assert dict(hole.labels) == {"prompt": REFUSED, "seed": "21"}
    assert hole.note == "refused"
    assert [error.code for error in run.errors] == ["refused"]
    assert "refuses" in str(run.errors[0])
    assert run.jobs["sheet", ()].state == "succeeded", "a contact sheet shows the hole"
    submitted = len(fake.log())
    assert submitted == 12

    second = flow.run().wait()
    assert len(fake.log()) - submitted == 1, "only the refused cell runs again"
    assert sum(status.state == "cached" for status in second.jobs.values()) >= 11
    assert second["sheet"].sha256 == run["sheet"].sha256, "an equal hole gives an equal sheet"


def test_contact_sheet_is_redrawn_when_the_hole_is_filled(flow, fake, monkeypatch):
    """Six videos are other inputs than five: the sheet has another key."""
    drawn(flow)
    undo = refuse_one_video(fake, monkeypatch)
    first = flow.run().wait()
    undo()
    second = flow.run().wait()
    assert second.status == "succeeded"
    assert len(second["videos"]) == 6
    assert second["sheet"].sha256 != first["sheet"].sha256
    assert second.jobs["sheet", ()].state == "succeeded"
    assert len(fake.log()) == 13


def test_estimate_covers_only_missing_cells(flow, fake, monkeypatch):
    """Before the run it covers every cell; afterwards at most the refused cell."""
    drawn(flow)
    before = flow.estimate()
    assert before.high_micro_usd == 6 * 40_000 + 6 * 50_000
    refuse_one_video(fake, monkeypatch)
    flow.run().wait()
    assert flow.estimate().high_micro_usd <= 50_000
    assert flow.states()["stills"] == "fresh"


def refuse_one_video(fake, monkeypatch):
    """Make the service refuse the video of one prompt and seed; returns a function that undoes it."""
    submit = fake.submit

    async def refusing_submit(request, *, idempotency_key):
        if request.task == "image-to-video" and request.prompt == REFUSED and request.settings["seed"] == 21:
            fake.enqueue(Behaviour(end="refused"))
        return await submit(request, idempotency_key=idempotency_key)

    monkeypatch.setattr(fake, "submit", refusing_submit)
    return lambda: monkeypatch.setattr(fake, "submit", submit)
