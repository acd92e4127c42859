"""What is well and what is not: installation, home folder, journal, store, keys. Never shows a key."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import credentials, session

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTRAS = {
    "video": ("av", "WebM video instead of animated WebP"),
    "upscale": ("ncnn", "the neural upscaler local/upscale-x4"),
    "lab": ("jupyterlab", "JupyterLab"),
    "s3": ("boto3", "Cloudflare R2 and other S3 stores"),
    "keyring": ("keyring", "keys in the system's keyring"),
}
_LOW_DISK_BYTES = 1_000_000_000


class Finding(NamedTuple):
    """One thing looked at."""

    what: str
    is_well: bool
    says: str


def findings() -> Iterator[Finding]:
    """Look at everything, most important first.

    >>> any(finding.what == "journal" for finding in findings())
    True
    """
    living = session.current()
    yield Finding("home", True, f"{living.home} (set {session.HOME_VARIABLE} to move it)")
    jobs = living.journal.call(living.journal.open_jobs())
    unknown = sum(job.state == "unknown" for job in jobs)
    waiting = sum(not job.is_held and job.state == "accepted" for job in jobs)
    said = f"{living.journal.path}; {len(jobs)} open jobs, {unknown} unknown"
    yield Finding("journal", not (unknown or waiting), said + (", run `fusionflow resume`" if waiting else ""))
    free = shutil.disk_usage(living.home).free
    size = living.store.size_bytes()
    yield Finding("store", free > _LOW_DISK_BYTES, f"{size / 1e6:.0f} MB of media, {free / 1e9:.0f} GB free")
    for extra, (module, gives) in _EXTRAS.items():
        has = importlib.util.find_spec(module) is not None
        yield Finding(f"extra {extra}", has, gives if has else f"pip install 'fusionflow-nb[{extra}]' brings {gives}")
    for provider in credentials.ENVIRONMENT:
        place = credentials.where(provider)
        opens = [entry.id for entry in living.registry.entries() if entry.provider == provider]
        if opens:
            says = f"key found in the {place}; opens {', '.join(opens)}" if place else "no key; ff.connect stores one"
            yield Finding(provider, place is not None, says)
        elif place:
            yield Finding(provider, True, f"key found in the {place}; this version has no adapter for it yet")
