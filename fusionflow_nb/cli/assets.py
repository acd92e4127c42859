"""`fusionflow assets`: synchronize, verify and clean up the stored files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusionflow_nb.cli import output
from fusionflow_nb.cli.error_boundary import FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 20


@click.group()
def assets() -> None:
    """Synchronize, verify and clean up stored results."""


@assets.command()
def sync() -> None:
    """Upload files that are only on this machine, and wait."""
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    count = asset_sync.sync(_print_progress)
    output.line(f"Uploaded {count} file{'' if count == 1 else 's'} to {asset_sync.bucket_store().bucket.settings.uri}.")


@assets.command()
def pull() -> None:
    """Download and verify files that are only in the bucket."""
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    count = asset_sync.pull()
    output.line(f"Downloaded {count} file{'' if count == 1 else 's'}.")


@assets.command()
@click.option("--fetch", is_flag=True, help="Download and hash every object of the bucket; by default compare lengths.")
@click.pass_context
def verify(ctx: click.Context, *, fetch: bool) -> None:
    """Hash every file and list damaged files."""
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    damaged = list(asset_sync.verify(fetch=fetch))
    for where, error in damaged:
        output.line(f"{where}: {error}")
    output.line(f"{len(damaged)} damaged." if damaged else "No damaged files.")
    if damaged:
        ctx.exit(FAILED)


@assets.command()
@click.option(
    "--flows",
    multiple=True,
    type=click.Path(path_type=Path),
    default=[Path()],
    help="A folder with flow files whose results are kept (repeatable; default: the current folder).",
)
@click.option(
    "--bucket",
    "in_bucket",
    is_flag=True,
    help="Include the bucket. Not for buckets that other machines use.",
)
@click.option("--delete", is_flag=True, help="Delete the files. By default they are only listed.")
def gc(flows: Sequence[Path], *, in_bucket: bool, delete: bool) -> None:
    """List unreferenced files; with --delete, delete them.

    A file is unreferenced if no project, result or flow file refers to it and it is older than a day.
    """
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    garbage = asset_sync.garbage(flows, in_bucket=in_bucket)
    names = [str(file.path) for file in garbage.files] + [item.key for item in garbage.objects]
    for name in names[:_SHOWN]:
        output.line(name)
    if len(names) > _SHOWN:
        output.line(f"and {len(names) - _SHOWN} more")
    size = f"{garbage.size_bytes / 1e6:.1f} MB in {len(names)} file{'' if len(names) == 1 else 's'}"
    if not delete:
        output.line(f"{size} unreferenced. `fusionflow assets gc --delete` deletes them.")
        return
    asset_sync.collect(garbage)
    output.line(f"Deleted {size}.")


def _print_progress(remaining: int, total: int) -> None:
    if output.is_interactive():
        output.line(f"{remaining} of {total} left", style="dim")
