"""Options that several commands share, and the way to the admin API. Cheap to import: help is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hfs_appliance.cli.client import Api

as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON for a machine.")
yes = click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
no_wait = click.option("--no-wait", "is_impatient", is_flag=True, help="Do not wait until it is done.")
confirm_hash = click.option("--confirm", metavar="HASH", help="Remove as much as the plan of this hash says.")


def connect(url: str) -> Api:
    """Give a connection that ends with the command."""
    from hfs_appliance.cli.client import Api

    return click.get_current_context().with_resource(Api(url))
