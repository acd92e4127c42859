"""Where errors leave the command line: one line on stderr and an exit code; never a traceback of ours.

0    all is well
1    some jobs failed; the others are kept (`doctor`: something is broken)
2    nothing could be run: the command, the flow or the machine is wrong
3    money: over budget, no funds, or a model without a price and without an allowance
130  interrupted; accepted work goes on being remembered
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
_INTERRUPTED = "interrupted; what services had accepted is remembered: `fusionflow operations resume` brings it home."


class ErrorBoundary(click.Group):
    """The commands, and what becomes of whatever they raise."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run a command; end with the exit code that fits."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a mark that this terminal lacks is no reason to stop
        try:
            with _resuming_only_if_told():
                return super().invoke(ctx)
        except errors.FusionFlowError as error:
            if ctx.meta.get(JSON_WANTED):
                click.echo(json.dumps({"error": error.to_payload()}, indent=2))
            print_error(error)
            ctx.exit(exit_code([error]))
        except KeyboardInterrupt:
            _impatience_ends_it()
            print_error(_INTERRUPTED)
            ctx.exit(INTERRUPTED)


@contextlib.contextmanager
def _resuming_only_if_told() -> Iterator[None]:
    """A command does what it says, and ends too soon to follow the work of others by the way."""
    before = os.environ.get(RESUME_VARIABLE)
    os.environ[RESUME_VARIABLE] = "ask"
    try:
        yield
    finally:
        if before is None:
            del os.environ[RESUME_VARIABLE]
        else:
            os.environ[RESUME_VARIABLE] = before


JSON_WANTED = "fusionflow_nb.json"
"""In `ctx.meta`: stdout belongs to a program, which is to find JSON there whatever happens."""


def print_error(what: object) -> None:
    """One line on stderr."""
    click.echo(f"fusionflow: {as_line(str(what))}", err=True)


def exit_code(found: Iterable[Exception], *, otherwise: int = WRONG) -> int:
    """The code for a run or a command that ended with these errors."""
    return MONEY if any(isinstance(error, _MONEY_ERRORS) for error in found) else otherwise


def _impatience_ends_it() -> None:
    """Writing down what is open takes a moment; a second Ctrl-C does not wait for that."""
    with contextlib.suppress(ValueError):  # not the main thread: somebody calls us as a library
        signal.signal(signal.SIGINT, signal.SIG_DFL)
