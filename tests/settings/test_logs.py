"""FUSIONFLOW_LOG: one line per request on stderr, without secrets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import logging
from fusionflow_nb.settings.logs import configure_logging
configure_logging()
configure_logging()
logging.getLogger("fusionflow_nb.http").debug("fal POST /a 200 3 ms")
"""


def stderr(level: str | None, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "FUSIONFLOW_LOG"}
    if level is not None:
        environment["FUSIONFLOW_LOG"] = level
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=True)
    return done.stderr


@pytest.mark.parametrize(("level", "lines"), [(None, 0), ("debug", 1), ("DEBUG", 1), ("info", 0)])
def test_the_level_decides_what_is_written(level: str | None, lines: int) -> None:
    """No handler without the variable; one handler however often it is configured."""
    written = stderr(level, "-c", SCRIPT).splitlines()
    assert len(written) == lines
    assert all(line.endswith("DEBUG fusionflow_nb.http: fal POST /a 200 3 ms") for line in written)


def test_an_unknown_level_is_reported() -> None:
    """The message lists the known levels."""
    assert "'loud' is not a log level. Use one of debug, info, warning, error." in stderr("loud", "-c", SCRIPT)


def test_the_command_line_configures_logging() -> None:
    """The group callback runs before every command."""
    code = """
import logging
from click.testing import CliRunner
from fusionflow_nb.cli import main
CliRunner().invoke(main, ["models", "--help"])
print(len(logging.getLogger("fusionflow_nb").handlers))
"""
    environment = {**os.environ, "FUSIONFLOW_LOG": "debug"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


def test_a_session_configures_logging() -> None:
    """A notebook needs no further call."""
    code = """
import logging
from fusionflow_nb.session import current_session, use_session
current_session()
print(len(logging.getLogger("fusionflow_nb").handlers))
use_session(None)
"""
    environment = {**os.environ, "FUSIONFLOW_LOG": "debug"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
