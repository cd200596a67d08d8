"""The words of the commands about guards: what they hold back, and what an operator decides of it."""

from __future__ import annotations

import click

from hfs_appliance.cli.names import TARGET
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


@click.command()
@as_json
@click.pass_obj
def holds(url: str, *, is_json: bool) -> None:
    """Show what is held back, why, and what can be done about it.

    \b
    Example:
      hfs holds
    """
    from hfs_appliance.cli import guard

    guard.holds(connect(url), is_json=is_json)


@click.command()
@click.argument("target", type=TARGET)
@click.option("--reason", required=True, help="Why, for whoever finds it.")
@click.option("--for", "lasts", metavar="DURATION", help="How long, like 2h or 1d; else until it is released.")
@as_json
@click.pass_obj
def hold(url: str, target: str, reason: str, lasts: str | None, *, is_json: bool) -> None:
    """Have nothing of TARGET taken away, whatever the cause; what is missing is added all the same.

    TARGET is a service, a pool, a server, or `environment`: all of it.

    \b
    Example:
      hfs hold dns --reason "we look at the crashes" --for 2h
    """
    from hfs_appliance.cli import guard

    guard.hold(connect(url), target, reason, lasts, is_json=is_json)


@click.command()
@click.argument("target", type=TARGET)
@as_json
@click.pass_obj
def release(url: str, target: str, *, is_json: bool) -> None:
    """End a hold of TARGET, and what was approved there.

    \b
    Example:
      hfs release dns
    """
    from hfs_appliance.cli import guard

    guard.release(connect(url), target, is_json=is_json)


@click.command()
@click.argument("target", type=TARGET)
@yes
@as_json
@click.pass_obj
def approve(url: str, target: str, *, is_sure: bool, is_json: bool) -> None:
    """Have done what the guards hold back of TARGET: a storm that is true, a destruction budget that is too small.

    Look first: `hfs holds` shows the evidence. It counts for an hour.

    \b
    Example:
      hfs approve service/dns
    """
    from hfs_appliance.cli import guard

    guard.approve(connect(url), target, is_sure=is_sure, is_json=is_json)
