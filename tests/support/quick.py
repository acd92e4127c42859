"""`pytest --quick` (which `make quick` runs): only tests that need no browser, start no process and are not slow.

A test that starts a process is skipped at that moment, so it needs no marker.
"""

from __future__ import annotations

import sys
import threading
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

LEFT_OUT = ("lab", "process", "slow")
"""Markers of the tests that are left out."""

_STARTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen"}
_in_test = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out browsers, other processes and slow tests")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("quick"):
        sys.addaudithook(_refuse_processes)
        BaseProcess.start = _refuse  # it reports no audit event


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("quick"):
        return
    chosen = [item for item in items if not any(map(item.get_closest_marker, LEFT_OUT))]
    config.hook.pytest_deselected(items=list(set(items) - set(chosen)))
    items[:] = chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, bool | None, bool | None]:
    global _in_test  # noqa: PLW0603 - an audit hook cannot be removed, only switched off
    _in_test = True
    try:
        return (yield)
    finally:
        _in_test = False


def _refuse_processes(event: str, _arguments: tuple[object, ...]) -> None:
    if _in_test and event in _STARTS:
        _refuse()


def _refuse(*_arguments: object) -> None:
    if threading.current_thread() is threading.main_thread():
        pytest.skip("starts a process")
    message = "This test starts a process in a thread: mark it with @pytest.mark.process."
    raise RuntimeError(message)
