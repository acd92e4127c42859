"""Checks of the installation, home folder, journal, store and keys. Never shows a key.

A failing check must not stop the others: the doctor runs when something is broken.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import shutil
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.maintenance import money_audit
from fusionflow_nb.session import current_session
from fusionflow_nb.settings import bucket, credentials
from fusionflow_nb.settings.environment import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.session import Session

State: TypeAlias = Literal["ok", "optional", "warning", "error"]
"""`optional`: missing but not needed; `warning`: works, but needs attention; `error`: does not work."""

_EXTRAS = {
    "video": ("av", "WebM and MP4 video (without it: animated WebP)"),
    "upscale": ("ncnn", "the neural upscaler local/upscale-x4"),
    "lab": ("jupyterlab", "JupyterLab"),
    "s3": ("boto3", "Cloudflare R2 and other S3 stores"),
    "keyring": ("keyring", "keys in the system's keyring"),
}
_SHOWN_MODELS = 4
_DEFAULT_ORIGIN = "http://localhost:8888"
_LOW_DISK_BYTES = 1_000_000_000


class Finding(NamedTuple):
    """The outcome of one check."""

    name: str
    state: State
    message: str


def findings() -> Iterator[Finding]:
    """Run all checks, the most important first.

    >>> any(finding.name == "journal" for finding in findings())
    True
    """
    session: Session | None = None
    try:
        opened = session = current_session()
    except errors.FusionFlowError as error:
        yield Finding("home", "error", str(error))
    else:
        yield Finding("home", "ok", f"{opened.home} (set {HOME_VARIABLE} to move it)")
        yield _journal(opened)
        yield from _outbox(opened)
        yield _store(opened)
        yield _bucket(opened)
    for extra, (module, feature) in _EXTRAS.items():
        is_installed = importlib.util.find_spec(module) is not None
        message = feature if is_installed else f"pip install 'fusionflow-nb[{extra}]' adds {feature}"
        yield Finding(f"extra {extra}", "ok" if is_installed else "optional", message)
    yield from _keys(session)


def money_findings(*, repair: bool = False) -> Iterator[Finding]:
    """Audit the money records: reservations and settlements, results and their bytes, and the sums.

    Args:
        repair: first rebuild differing rows from the event log.
    """
    try:
        session = current_session()
        repaired = session.call(session.journal.repair()) if repair else 0
        report, discrepancies = money_audit.examine(session)
    except errors.FusionFlowError as error:
        yield Finding("journal", "error", str(error))
        return
    if repair:
        yield Finding("repaired", "ok", f"{repaired} rows rebuilt from the log")
    sums = (
        f"{report.calls} paid calls ended, ${report.spent_micro_usd / 1e6:.2f} spent; "
        f"{report.open_calls} open, ${report.held_micro_usd / 1e6:.2f} reserved"
    )
    yield Finding("money", "warning" if discrepancies else "ok", sums if discrepancies else f"{sums}; no discrepancy")
    for item in discrepancies:
        state: State = "warning" if item.kind in {"lost_bytes", "outbox", "store"} else "error"
        yield Finding(item.kind.replace("_", " "), state, f"{item.message} {item.next}")


def _outbox(session: Session) -> Iterator[Finding]:
    for item in money_audit.outbox_findings(session):
        yield Finding(item.kind, "warning" if item.kind == "outbox" else "error", f"{item.message} {item.next}")


def _journal(session: Session) -> Finding:
    try:
        jobs = session.journal.call(session.journal.open_jobs())
    except errors.JournalError as error:
        return Finding("journal", "error", str(error))
    unknown = sum(job.state == "unknown" for job in jobs)
    waiting = sum(not job.is_held and job.state == "accepted" for job in jobs)
    parts = [str(session.journal.path), f"{len(jobs)} open jobs"]
    if unknown:
        parts.append(f"{unknown} of unknown outcome (`fusionflow operations` lists them; never sent again unasked)")
    if waiting:
        parts.append(f"{waiting} of dead kernels: `fusionflow operations resume` resumes them")
    return Finding("journal", "warning" if unknown or waiting else "ok", "; ".join(parts))


def _store(session: Session) -> Finding:
    try:
        size = session.store.size_bytes()
        free = shutil.disk_usage(session.home).free
    except errors.StoreError as error:
        return Finding("store", "error", str(error))
    state: State = "ok" if free > _LOW_DISK_BYTES else "warning"
    return Finding("store", state, f"{size / 1e6:.0f} MB of media, {free / 1e9:.0f} GB free")


def _bucket(session: Session) -> Finding:
    """Report the settings and pending uploads, without a request to the bucket (`fusionflow doctor --r2` sends one)."""
    if not isinstance(session.store, S3Store):
        try:
            is_set_up = bucket.settings(session.home) is not None
        except errors.SecretError as error:
            return Finding("bucket", "error", str(error))
        message = (
            "set up after the session started; restart the kernel"
            if is_set_up
            else 'ff.connect("r2") stores results on Cloudflare R2'
        )
        return Finding("bucket", "optional", message)
    waiting = session.store.uploads.waiting()
    failure = next((str(upload.error) for upload in waiting if upload.error is not None), None)
    message = f"{session.store.bucket.settings.uri}; {len(waiting)} pending uploads"
    return Finding("bucket", "warning" if failure else "ok", f"{message}: {failure}" if failure else message)


def bucket_findings(origins: Sequence[str] = (), *, is_set: bool = False) -> Iterator[Finding]:
    """Check all uses of the bucket, including CORS for some origins.

    Args:
        origins: origins of JupyterLab; by default `http://localhost:8888`.
        is_set: set the CORS rule that allows uploads from them, if the key permits it.

    Raises:
        SecretError: the settings are invalid.
    """
    from fusionflow_nb.assets.s3.bucket import Bucket  # noqa: PLC0415 - imports boto3
    from fusionflow_nb.assets.s3.check import run_checks  # noqa: PLC0415

    settings = bucket.settings()
    if settings is None:
        yield Finding("bucket", "error", 'not set up: ff.connect("r2")')
        return
    for finding in run_checks(Bucket(settings), origins or [_DEFAULT_ORIGIN], is_set=is_set):
        yield Finding(*finding)


def _models(entries: list[ModelEntry]) -> str:
    """Return the number of models and the first names, without retired models."""
    today = dt.datetime.now(dt.UTC).date()
    names = [(*entry.aliases, entry.id)[0] for entry in entries if entry.retires_on is None or entry.retires_on > today]
    return f"{len(names)} {'model' if len(names) == 1 else 'models'}: {_first(names)}" if names else ""


def _first(names: list[str]) -> str:
    """Return the first few names, and the number of the rest."""
    shown = ", ".join(names[:_SHOWN_MODELS])
    return f"{shown} and {len(names) - _SHOWN_MODELS} more" if len(names) > _SHOWN_MODELS else shown


def _keys(session: Session | None) -> Iterator[Finding]:
    """Report where each key is stored; services without a key only if this version has models for them."""
    trouble = credentials.storage_warning()
    if trouble is not None:
        yield Finding("keys", "warning", trouble)
    entries = session.registry.entries() if session is not None else []
    for provider in credentials.services():
        if provider == bucket.SERVICE:
            continue
        try:
            place = credentials.where(provider)
        except errors.SecretError as error:
            yield Finding("keys", "error", str(error))
            return
        models = _models([entry for entry in entries if entry.provider == provider])
        missing = credentials.missing(provider) if place is None else []
        if place is not None:
            detail = models or "this version has no adapter for it"
            names = ", ".join(credentials.services()[provider])
            yield Finding(provider, "ok", f"key found in the {place} ({names}); {detail}")
        elif len(missing) < len(credentials.services()[provider]):
            message = (
                f'the key is incomplete, {", ".join(missing)} is missing; ff.connect("{provider}") stores both parts'
            )
            yield Finding(provider, "warning", message)
        elif models:
            yield Finding(provider, "optional", f'no key; ff.connect("{provider}") stores one for {models}')
