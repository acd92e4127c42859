"""What is well and what is not: installation, home folder, journal, store, keys. Never shows a key.

It is asked when things are broken, so nothing it looks at may stop it from looking at the rest.
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

State: TypeAlias = Literal["well", "optional", "look", "broken"]
"""`optional`: not there, and nobody needs it; `look`: works, but somebody should look; `broken`: does not work."""

_EXTRAS = {
    "video": ("av", "WebM and MP4 video (without it: animated WebP)"),
    "upscale": ("ncnn", "the neural upscaler local/upscale-x4"),
    "lab": ("jupyterlab", "JupyterLab"),
    "s3": ("boto3", "Cloudflare R2 and other S3 stores"),
    "keyring": ("keyring", "keys in the system's keyring"),
}
_SHOWN_MODELS = 4
_USUAL_ORIGIN = "http://localhost:8888"
_LOW_DISK_BYTES = 1_000_000_000


class Finding(NamedTuple):
    """One thing looked at."""

    what: str
    state: State
    says: str


def findings() -> Iterator[Finding]:
    """Look at everything, most important first.

    >>> any(finding.what == "journal" for finding in findings())
    True
    """
    living: Session | None = None
    try:
        opened = living = current_session()
    except errors.FusionFlowError as error:
        yield Finding("home", "broken", str(error))
    else:
        yield Finding("home", "well", f"{opened.home} (set {HOME_VARIABLE} to move it)")
        yield _journal(opened)
        yield from _outbox(opened)
        yield _store(opened)
        yield _bucket(opened)
    for extra, (module, gives) in _EXTRAS.items():
        has = importlib.util.find_spec(module) is not None
        says = gives if has else f"pip install 'fusionflow-nb[{extra}]' brings {gives}"
        yield Finding(f"extra {extra}", "well" if has else "optional", says)
    yield from _keys(living)


def money_findings(*, mend: bool = False) -> Iterator[Finding]:
    """Prove the books: every reservation settled or open, every result found and its bytes there, sums that agree.

    Args:
        mend: write again what follows from the log, then look.
    """
    try:
        living = current_session()
        mended = living.call(living.journal.mend()) if mend else 0
        found, entries = money_audit.examine(living)
    except errors.FusionFlowError as error:
        yield Finding("journal", "broken", str(error))
        return
    if mend:
        yield Finding("mended", "well", f"{mended} written again from the log")
    sums = (
        f"{found.calls} paid calls have ended, ${found.spent_micro_usd / 1e6:.2f} spent; "
        f"{found.open_calls} open, ${found.held_micro_usd / 1e6:.2f} held"
    )
    yield Finding("books", "look" if entries else "well", sums if entries else f"{sums}; everything agrees")
    for entry in entries:
        state: State = "look" if entry.kind in {"lost_bytes", "outbox", "store"} else "broken"
        yield Finding(entry.kind.replace("_", " "), state, f"{entry.says} {entry.next}")


def _outbox(living: Session) -> Iterator[Finding]:
    for entry in money_audit.waiting(living):
        yield Finding(entry.kind, "look" if entry.kind == "outbox" else "broken", f"{entry.says} {entry.next}")


def _journal(living: Session) -> Finding:
    try:
        jobs = living.journal.call(living.journal.open_jobs())
    except errors.JournalError as error:
        return Finding("journal", "broken", str(error))
    unknown = sum(job.state == "unknown" for job in jobs)
    waiting = sum(not job.is_held and job.state == "accepted" for job in jobs)
    said = [str(living.journal.path), f"{len(jobs)} open jobs"]
    if unknown:
        said.append(f"{unknown} of unknown outcome (`fusionflow operations` lists them; never sent again by itself)")
    if waiting:
        said.append(f"{waiting} of dead kernels: `fusionflow operations resume` brings them home")
    return Finding("journal", "look" if unknown or waiting else "well", "; ".join(said))


def _store(living: Session) -> Finding:
    try:
        size = living.store.size_bytes()
        free = shutil.disk_usage(living.home).free
    except errors.StoreError as error:
        return Finding("store", "broken", str(error))
    state: State = "well" if free > _LOW_DISK_BYTES else "look"
    return Finding("store", state, f"{size / 1e6:.0f} MB of media, {free / 1e9:.0f} GB free")


def _bucket(living: Session) -> Finding:
    """Whether there is one, and what is still on its way; asks it nothing (`fusionflow doctor --r2` does)."""
    if not isinstance(living.store, S3Store):
        try:
            is_set_up = bucket.settings(living.home) is not None
        except errors.SecretError as error:
            return Finding("bucket", "broken", str(error))
        says = "set up since; restart the kernel" if is_set_up else 'ff.connect("r2") keeps results on Cloudflare R2'
        return Finding("bucket", "optional", says)
    waiting = living.store.uploads.waiting()
    trouble = next((str(one.error) for one in waiting if one.error is not None), None)
    says = f"{living.store.bucket.settings.uri}; {len(waiting)} uploads on their way"
    return Finding("bucket", "look" if trouble else "well", f"{says}: {trouble}" if trouble else says)


def bucket_findings(origins: Sequence[str] = (), *, is_set: bool = False) -> Iterator[Finding]:
    """Try everything a bucket is needed for, and pages of these origins.

    Args:
        origins: where JupyterLab is, as `http://localhost:8888`; that one where none is given.
        is_set: let those pages upload, where the key may say so.

    Raises:
        SecretError: settings that cannot be right.
    """
    from fusionflow_nb.assets.s3.bucket import Bucket  # noqa: PLC0415 - boto3 only when it is wanted
    from fusionflow_nb.assets.s3.check import look  # noqa: PLC0415

    found = bucket.settings()
    if found is None:
        yield Finding("bucket", "broken", 'none is set up: ff.connect("r2")')
        return
    for one in look(Bucket(found), origins or [_USUAL_ORIGIN], is_set=is_set):
        yield Finding(*one)


def _opened(entries: list[ModelEntry]) -> str:
    """How many models there are, and the first few; those that their service has ended are none."""
    today = dt.datetime.now(dt.UTC).date()
    names = [(*entry.aliases, entry.id)[0] for entry in entries if entry.retires_on is None or entry.retires_on > today]
    return f"{len(names)} {'model' if len(names) == 1 else 'models'}: {_some(names)}" if names else ""


def _some(names: list[str]) -> str:
    """The first few of many names, and how many more there are."""
    shown = ", ".join(names[:_SHOWN_MODELS])
    return f"{shown} and {len(names) - _SHOWN_MODELS} more" if len(names) > _SHOWN_MODELS else shown


def _keys(living: Session | None) -> Iterator[Finding]:
    """Where the keys are; of a service without one, only if this version has models for it."""
    trouble = credentials.storage_warning()
    if trouble is not None:
        yield Finding("keys", "look", trouble)
    entries = living.registry.entries() if living is not None else []
    for provider in credentials.services():
        if provider == bucket.SERVICE:
            continue
        try:
            place = credentials.where(provider)
        except errors.SecretError as error:
            yield Finding("keys", "broken", str(error))
            return
        opens = _opened([entry for entry in entries if entry.provider == provider])
        half = credentials.missing(provider) if place is None else []
        if place is not None:
            says = f"opens {opens}" if opens else "this version has no adapter for it yet"
            names = ", ".join(credentials.services()[provider])
            yield Finding(provider, "well", f"key found in the {place} ({names}); {says}")
        elif len(half) < len(credentials.services()[provider]):
            says = f'half of it is there, {", ".join(half)} is missing; ff.connect("{provider}") stores both'
            yield Finding(provider, "look", says)
        elif opens:
            yield Finding(provider, "optional", f'no key; ff.connect("{provider}") stores one and opens {opens}')
