"""`fusionflow simulate`: the services on this machine, and the line that leads a notebook to them."""

from __future__ import annotations

import asyncio
import contextlib

from fusionflow_nb import errors
from fusionflow_nb.cli import output
from fusionflow_nb.settings.environment import SIMULATED, SIMULATOR_VARIABLE

PAUSE_S = 0.5
"""Between partial pictures, so that they are seen."""


def serve(port: int) -> None:
    """Serve until interrupted.

    Raises:
        StoreError: the port is taken; says which option names another.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_served(port))


async def _served(port: int) -> None:
    from fusionflow_nb.simulator import Simulator, World  # noqa: PLC0415
    from fusionflow_nb.simulator.server import SIDES  # noqa: PLC0415

    try:
        async with Simulator(port, World(pause_s=PAUSE_S)) as simulator:
            output.heading("simulated")
            output.line(f"{', '.join(SIDES)} at {simulator.base}; pictures are drawn here, and no call costs anything")
            output.line(f"in another terminal: export {SIMULATOR_VARIABLE}={simulator.base}")
            output.line(f"in a notebook, first: %env {SIMULATOR_VARIABLE}={simulator.base}")
            output.line(f"results and sums are kept apart, in the folder {SIMULATED!r} of the home; no key is sent")
            await asyncio.Event().wait()
    except OSError as error:
        raise errors.UnwritableError(
            f"Port {port} cannot be taken: {error.strerror}.", hint="Name another with --port, or 0 for a free one."
        ) from error
