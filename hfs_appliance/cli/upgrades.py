"""The words of the commands about upgrades and about the history of the desired state."""

from __future__ import annotations

import click

from hfs_appliance.cli.names import SERVICE
from hfs_appliance.cli.options import as_json, confirm_hash, connect, no_wait, yes

STRATEGIES = ("blue-green", "canary", "rolling", "ab")
_GENERATION = click.IntRange(min=1)


@click.command()
@click.argument("service", type=SERVICE)
@click.argument("version")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="How, if not as in the file.")
@no_wait
@as_json
@click.pass_obj
def upgrade(url: str, service: str, version: str, strategy: str | None, *, is_impatient: bool, is_json: bool) -> None:
    """Have VERSION of SERVICE take over, and wait until it has all requests.

    It comes up beside the one that runs. The exit code is 1 when it was taken back.

    \b
    Example:
      hfs upgrade dns 1.5.0 --strategy canary
    """
    from hfs_appliance.cli import rollouts

    rollouts.upgrade(connect(url), service, version, strategy, is_waiting=not is_impatient, is_json=is_json)


@click.command()
@as_json
@click.pass_obj
def rollouts(url: str, *, is_json: bool) -> None:
    """Show how far the upgrades have got, what they wait for and why.

    \b
    Example:
      hfs rollouts
    """
    from hfs_appliance.cli import rollouts as commands

    commands.show(connect(url), is_json=is_json)


@click.command()
@click.argument("service", type=SERVICE)
@click.option("--full", "is_full", is_flag=True, help="Give the new version all requests, whatever steps are left.")
@as_json
@click.pass_obj
def promote(url: str, service: str, *, is_full: bool, is_json: bool) -> None:
    """Have the upgrade of SERVICE wait no longer at its present step, nor keep the old version warm.

    \b
    Example:
      hfs promote dns
    """
    _order(url, service, "promote-full" if is_full else "promote", is_json=is_json)


@click.command()
@click.argument("service", type=SERVICE)
@as_json
@click.pass_obj
def pause(url: str, service: str, *, is_json: bool) -> None:
    """Have the upgrade of SERVICE go no further by itself. It is taken back all the same when it fails.

    \b
    Example:
      hfs pause dns
    """
    _order(url, service, "pause", is_json=is_json)


@click.command()
@click.argument("service", type=SERVICE)
@as_json
@click.pass_obj
def resume(url: str, service: str, *, is_json: bool) -> None:
    """Have the paused upgrade of SERVICE go on, as if the pause had taken no time.

    \b
    Example:
      hfs resume dns
    """
    _order(url, service, "resume", is_json=is_json)


@click.command()
@click.argument("service", type=SERVICE)
@as_json
@click.pass_obj
def abort(url: str, service: str, *, is_json: bool) -> None:
    """Take the upgrade of SERVICE back: requests first, instances afterwards. Changes nothing when none runs.

    \b
    Example:
      hfs abort dns
    """
    _order(url, service, "abort", is_json=is_json)


@click.command()
@click.argument("service", type=SERVICE, required=False)
@click.option("--generation", type=_GENERATION, help="Make this generation of the whole desired state the next one.")
@yes
@confirm_hash
@no_wait
@as_json
@click.pass_obj
def rollback(
    url: str,
    service: str | None,
    generation: int | None,
    confirm: str | None,
    *,
    is_sure: bool,
    is_impatient: bool,
    is_json: bool,
) -> None:
    """Go back: SERVICE to the version before its last upgrade, or everything to a former generation.

    While the old version is warm, all requests are its again within a second.

    \b
    Example:
      hfs rollback dns
      hfs rollback --generation 7
    """
    from hfs_appliance.cli import rollouts

    if (service is None) is (generation is None):
        raise click.UsageError("name a service, or give --generation")
    api = connect(url)
    if service is not None:
        rollouts.roll_back(api, service, is_waiting=not is_impatient, is_json=is_json)
    elif generation is not None:
        rollouts.restore(api, generation, confirm, is_sure=is_sure, is_waiting=not is_impatient, is_json=is_json)


@click.command()
@as_json
@click.pass_obj
def history(url: str, *, is_json: bool) -> None:
    """List the generations of the desired state: who made each, when, and by what.

    \b
    Example:
      hfs history
    """
    from hfs_appliance.cli import rollouts

    rollouts.history(connect(url), is_json=is_json)


@click.command()
@click.argument("before", type=_GENERATION)
@click.argument("after", type=_GENERATION)
@as_json
@click.pass_obj
def diff(url: str, before: int, after: int, *, is_json: bool) -> None:
    """Show what differs between two generations of the desired state.

    \b
    Example:
      hfs diff 6 7
    """
    from hfs_appliance.cli import rollouts

    rollouts.diff(connect(url), before, after, is_json=is_json)


def _order(url: str, service: str, order: str, *, is_json: bool) -> None:
    from hfs_appliance.cli import rollouts

    rollouts.order(connect(url), service, order, is_json=is_json)


COMMANDS = (upgrade, rollouts, promote, pause, resume, abort, rollback, history, diff)
