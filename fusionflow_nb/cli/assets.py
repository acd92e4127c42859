"""`fusionflow assets`: folder and bucket in step, whole, and free of what nobody needs."""

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
    """Keep results in step with the bucket, whole, and free of what nobody needs."""


@assets.command()
def sync() -> None:
    """Bring everything that is only on this machine to the bucket, and wait until it is there."""
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    count = asset_sync.sync(_left)
    output.line(f"{count} file{'' if count == 1 else 's'} brought to {asset_sync.bucket_store().bucket.settings.uri}.")


@assets.command()
def pull() -> None:
    """Fetch everything that is only in the bucket, verified."""
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    count = asset_sync.pull()
    output.line(f"{count} file{'' if count == 1 else 's'} fetched.")


@assets.command()
@click.option("--fetch", is_flag=True, help="Read every object of the bucket and hash it, instead of its length alone.")
@click.pass_context
def verify(ctx: click.Context, *, fetch: bool) -> None:
    """Hash every file; say what is damaged, here and in the bucket."""
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    wrong = list(asset_sync.verify(fetch=fetch))
    for where, error in wrong:
        output.line(f"{where}: {error}")
    output.line("Everything is whole." if not wrong else f"{len(wrong)} damaged.")
    if wrong:
        ctx.exit(FAILED)


@assets.command()
@click.option(
    "--flows",
    multiple=True,
    type=click.Path(path_type=Path),
    default=[Path()],
    help="A folder whose flow files count (may be repeated; this one where none is given).",
)
@click.option("--bucket", "in_bucket", is_flag=True, help="In the bucket too. Not where other machines use it as well!")
@click.option("--delete", is_flag=True, help="Delete it. Without this, it is only shown.")
def gc(flows: Sequence[Path], *, in_bucket: bool, delete: bool) -> None:
    """Show what no project, result or flow file names and is older than a day; with --delete, delete it."""
    from fusionflow_nb.maintenance import asset_sync  # noqa: PLC0415

    found = asset_sync.garbage(flows, in_bucket=in_bucket)
    names = [str(one.path) for one in found.files] + [one.key for one in found.objects]
    for name in names[:_SHOWN]:
        output.line(name)
    if len(names) > _SHOWN:
        output.line(f"and {len(names) - _SHOWN} more")
    size = f"{found.size_bytes / 1e6:.1f} MB in {len(names)} file{'' if len(names) == 1 else 's'}"
    if not delete:
        output.line(f"{size} that nothing names. `fusionflow assets gc --delete` deletes.")
        return
    asset_sync.collect(found)
    output.line(f"{size} deleted.")


def _left(left: int, of: int) -> None:
    if output.is_watched():
        output.line(f"{left} of {of} left", style="dim")
