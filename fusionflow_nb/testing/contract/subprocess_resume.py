"""Poll an operation to its end in another process, given only the Operation.

    python -m fusionflow_nb.testing.contract.subprocess_resume MODULE CLASS < operation.json

Writes port and kind of each output as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys

from fusionflow_nb.providers.protocol import Done, Operation
from fusionflow_nb.testing.contract.requests import poll_until_done, port_and_kind


def main() -> None:
    """Poll with a new adapter of the class and write the outputs."""
    module, name = sys.argv[1:]
    service = getattr(importlib.import_module(module), name)()
    status = asyncio.run(poll_until_done(service, Operation(json.load(sys.stdin))))
    if not isinstance(status, Done):
        sys.exit(f"The job was not done: {status}")
    sys.stdout.write(json.dumps([port_and_kind(output) for output in status.outputs]))


if __name__ == "__main__":
    main()
