"""The words of the commands about guards: what they hold back, and what an operator decides of it."""

from __future__ import annotations

import click

from hfs_appliance.cli.options import as_json, connect, yes


@click.command()
@yes
@as_json
@click.pass_obj
def adopt(url: str, *, is_sure: bool, is_json: bool) -> None:
    """Take over the servers that the cloud lists, after the registry was emptied, rolled back or moved.

    Until then hfs only observes. Look first: `hfs status` says what does not fit together.

    \b
    Example:
      hfs adopt --yes
    """
    from hfs_appliance.cli import guard

    guard.adopt(connect(url), is_sure=is_sure, is_json=is_json)
