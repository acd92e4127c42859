"""A process of its own that brings work home, and has nothing of it but the Operation.

    python -m fusionflow_nb.testing.contract.subprocess_resume MODULE CLASS < operation.json

It writes port and kind of each output.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys

from fusionflow_nb.providers.protocol import Done, Operation
from fusionflow_nb.testing.contract.requests import ended, kind_of


def main() -> None:
    """Poll to the end with a new adapter of that class."""
    module, name = sys.argv[1:]
    service = getattr(importlib.import_module(module), name)()
    status = asyncio.run(ended(service, Operation(json.load(sys.stdin))))
    if not isinstance(status, Done):
        sys.exit(f"It did not come home: {status}")
    sys.stdout.write(json.dumps([kind_of(output) for output in status.outputs]))


if __name__ == "__main__":
    main()
