"""fal's long files: in parts, whole again at the other end, and nothing submitted where one of them is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fusionflow_nb import errors
from fusionflow_nb.providers.protocol import Done, Request
from fusionflow_nb.providers.services.fal import Fal
from fusionflow_nb.simulator import Fault, Simulator
from fusionflow_nb.testing.contract.bad_endpoints import raw
from fusionflow_nb.testing.contract.requests import asked, ended, picture, taken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusionflow_nb.providers.services.fal.MULTIPART_BYTES", 1000)
    monkeypatch.setattr("fusionflow_nb.providers.services.fal.PART_BYTES", 1000)


def edit(fal: Fal, folder: Path) -> tuple[Request, bytes]:
    given = picture(folder, 64, noise=True)
    request = asked(fal, "fal-ai/flux-pro/kontext", "edit-image", "at night", references={"image": [given]})
    return request, given.file.read_bytes()


async def test_a_long_file_is_whole_at_the_other_end(simulator: Simulator, tmp_path: Path, small_parts: None) -> None:
    """Its parts come in any order; what is asked for names the address of the whole."""
    fal = Fal()
    request, content = edit(fal, tmp_path)
    done = await ended(fal, await fal.submit(request, idempotency_key="k"))
    await fal.aclose()
    assert isinstance(done, Done)
    taken(done.outputs[0])
    puts = [each for each in simulator.world.asked if each.method == "PUT"]
    assert len(puts) == -(-len(content) // 1000) > 4
    [job] = simulator.world.jobs.values()
    assert simulator.world.read(job.body["image_url"]) == content


async def test_a_lost_part_submits_nothing(simulator: Simulator, tmp_path: Path, small_parts: None) -> None:
    """One error, clear, for all that went wrong at once."""
    fal = Fal()
    request, _ = edit(fal, tmp_path)
    refused = raw(403, b'{"detail": "no"}', "application/json")
    simulator.world.fault = Fault(refused, lambda path: path.endswith("/3"))
    with pytest.raises(errors.SecretError, match="does not take the key"):
        await fal.submit(request, idempotency_key="k")
    await fal.aclose()
    assert simulator.world.jobs == {}
