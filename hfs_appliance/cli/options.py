"""Options that several commands share, and the way to the admin API. Cheap to import: help is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.console import Console

    from hfs_appliance.cli.client import Api

FILE: Final = click.Path(exists=False, dir_okay=False, path_type=Path)
_UNFOLDED: Final = 10_000

as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON for a machine.")
yes = click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
no_wait = click.option("--no-wait", "is_impatient", is_flag=True, help="Do not wait until it is done.")
confirm_hash = click.option("--confirm", metavar="HASH", help="Remove as much as the plan of this hash says.")


def connect(url: str) -> Api:
    """Give a connection that ends with the command."""
    from hfs_appliance.cli.client import Api

    return click.get_current_context().with_resource(Api(url))


def console() -> Console:
    """Give the console of this process; a pipe or a file has no width, so nothing is folded or cut there."""
    from hfs_appliance.cli.output import Output

    return Output(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
