"""fal's multipart uploads: complete at the server, and nothing is submitted if a part fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fusionflow_nb import errors
from fusionflow_nb.providers.protocol import Done, Request
from fusionflow_nb.providers.services.fal import Fal
from fusionflow_nb.simulator import Fault, Simulator
from fusionflow_nb.testing.contract.bad_endpoints import raw
from fusionflow_nb.testing.contract.requests import make_picture, make_request, poll_until_done, read_output

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusionflow_nb.providers.services.fal.MULTIPART_BYTES", 1000)
    monkeypatch.setattr("fusionflow_nb.providers.services.fal.PART_BYTES", 1000)


def edit(fal: Fal, folder: Path) -> tuple[Request, bytes]:
    reference = make_picture(folder, 64, noise=True)
    request = make_request(fal, "fal-ai/flux-pro/kontext", "edit-image", "at night", references={"image": [reference]})
    return request, reference.file.read_bytes()


async def test_a_large_file_arrives_complete(simulator: Simulator, tmp_path: Path, small_parts: None) -> None:
    """Parts arrive in any order; the request contains the URL of the whole file."""
    fal = Fal()
    request, content = edit(fal, tmp_path)
    done = await poll_until_done(fal, await fal.submit(request, idempotency_key="k"))
    await fal.aclose()
    assert isinstance(done, Done)
    read_output(done.outputs[0])
    puts = [request for request in simulator.world.requests if request.method == "PUT"]
    assert len(puts) == -(-len(content) // 1000) > 4
    [job] = simulator.world.jobs.values()
    assert simulator.world.read_url(job.body["image_url"]) == content


async def test_a_failed_part_submits_nothing(simulator: Simulator, tmp_path: Path, small_parts: None) -> None:
    """Several failed parts raise one error."""
    fal = Fal()
    request, _ = edit(fal, tmp_path)
    refused = raw(403, b'{"detail": "no"}', "application/json")
    simulator.world.fault = Fault(refused, lambda path: path.endswith("/3"))
    with pytest.raises(errors.SecretError, match="rejects the key"):
        await fal.submit(request, idempotency_key="k")
    await fal.aclose()
    assert simulator.world.jobs == {}
