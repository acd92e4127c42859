"""Which parts live in this kernel? One session per process, opened when it is first needed."""

from __future__ import annotations

from fusionflow_nb.session.session import Session, current_session, reopen_store, use_session

__all__ = ["Session", "current_session", "reopen_store", "use_session"]
