"""`fusionflow simulate`: run the simulated services on this machine."""

from __future__ import annotations

import asyncio
import contextlib

from fusionflow_nb import errors
from fusionflow_nb.cli import output
from fusionflow_nb.settings.environment import SIMULATED, SIMULATOR_VARIABLE

PAUSE_S = 0.5
"""Pause between partial pictures, so that they are visible."""


def serve(port: int) -> None:
    """Serve until interrupted.

    Raises:
        UnwritableError: the port cannot be bound.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port))


async def _serve(port: int) -> None:
    from fusionflow_nb.simulator import Simulator, World  # noqa: PLC0415
    from fusionflow_nb.simulator.server import SERVICES  # noqa: PLC0415

    try:
        async with Simulator(port, World(pause_s=PAUSE_S)) as simulator:
            output.heading("simulated")
            output.line(f"{', '.join(SERVICES)} at {simulator.base}; pictures are drawn locally, calls are free")
            output.line(f"in another terminal: export {SIMULATOR_VARIABLE}={simulator.base}")
            output.line(f"in a notebook, first: %env {SIMULATOR_VARIABLE}={simulator.base}")
            output.line(f"results and costs go to the folder {SIMULATED!r} of the home; no key is sent")
            await asyncio.Event().wait()
    except OSError as error:
        raise errors.UnwritableError(
            f"Cannot listen on port {port}: {error.strerror}.",
            hint="Choose another port with --port, or 0 for any free port.",
        ) from error
