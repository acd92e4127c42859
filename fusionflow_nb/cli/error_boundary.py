"""Error handling of the command line: each error is one line on stderr and an exit code, never a traceback.

0    success
1    some jobs failed; other results are kept (`doctor`: a finding of state broken)
2    nothing ran: invalid command, flow or environment
3    money: over budget, no funds, or an unpriced model without an allowance
130  interrupted; accepted calls stay in the journal
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from fusionflow_nb import errors
from fusionflow_nb.cli.output import as_line
from fusionflow_nb.settings.environment import RESUME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FAILED, WRONG, MONEY, INTERRUPTED = 1, 2, 3, 130
_MONEY_ERRORS = (errors.OverBudgetError, errors.NoFundsError)
_INTERRUPTED = "interrupted; accepted calls continue at the services. `fusionflow resume` fetches their results."


class ErrorBoundary(click.Group):
    """The command group; turns exceptions into messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run a command; on an error, print it and exit with its code."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # print characters that the encoding lacks as "?"
        try:
            with _without_automatic_resume():
                return super().invoke(ctx)
        except errors.FusionFlowError as error:
            if ctx.meta.get(JSON_OUTPUT):
                click.echo(json.dumps({"error": error.to_payload()}, indent=2))
            print_error(error)
            ctx.exit(exit_code([error]))
        except KeyboardInterrupt:
            _exit_on_second_interrupt()
            print_error(_INTERRUPTED)
            ctx.exit(INTERRUPTED)


@contextlib.contextmanager
def _without_automatic_resume() -> Iterator[None]:
    """Set FUSIONFLOW_RESUME=ask: a command is too short-lived to resume other kernels' calls in the background."""
    before = os.environ.get(RESUME_VARIABLE)
    os.environ[RESUME_VARIABLE] = "ask"
    try:
        yield
    finally:
        if before is None:
            del os.environ[RESUME_VARIABLE]
        else:
            os.environ[RESUME_VARIABLE] = before


JSON_OUTPUT = "fusionflow_nb.json"
"""Key in `ctx.meta`: stdout must be JSON, also on errors."""


def print_error(error: object) -> None:
    """Print an error as one line on stderr."""
    click.echo(f"fusionflow: {as_line(str(error))}", err=True)


def exit_code(failures: Iterable[Exception], *, otherwise: int = WRONG) -> int:
    """The exit code of a run or command that ended with these errors."""
    return MONEY if any(isinstance(error, _MONEY_ERRORS) for error in failures) else otherwise


def _exit_on_second_interrupt() -> None:
    """Restore the default signal handler: closing the session takes a moment, and a second Ctrl-C skips it."""
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)
