"""The commands about a whole environment: build it and keep it so, give it to another appliance, end it."""

from __future__ import annotations

from pathlib import Path

import click

from hfs_appliance.cli.options import FILE, as_json, connect, console, no_wait, yes

_STATE = click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="State directory.")


@click.command()
@click.argument("file", type=FILE)
@_STATE
@click.option("--keep", "is_keeping", is_flag=True, help="Leave the servers running at the end.")
@click.option("--admin", metavar="ADDRESS:PORT", help="Admin API of this appliance, if not as in FILE.")
@click.option("--endpoint", metavar="ADDRESS:PORT", help="Endpoint of this appliance, if not as in FILE.")
@click.option("--executable", metavar="ADDRESS:PORT", help="Where servers get hfs from this one, if not as in FILE.")
@as_json
def run(
    file: Path,
    state: Path | None,
    admin: str | None,
    endpoint: str | None,
    executable: str | None,
    *,
    is_keeping: bool,
    is_json: bool,
) -> None:
    """Build the environment FILE describes and keep it so, until Ctrl-C.

    \b
    Example:
      hfs run configs/local.toml

    On a terminal it shows the progress; elsewhere it writes one line for each event (--json: one JSON object).
    The state directory is $XDG_STATE_HOME/hfs/ENVIRONMENT unless given.
    A second hfs run of the environment stands by, and takes over when the first one dies.
    """
    from hfs_appliance.cli.start import start

    start(file, state, admin=admin, endpoint=endpoint, executable=executable, is_keeping=is_keeping, is_json=is_json)


@click.command()
@click.argument("file", type=FILE)
@_STATE
@as_json
def bootstrap(file: Path, state: Path | None, *, is_json: bool) -> None:
    """Build the environment FILE describes into an empty project, and end once it serves.

    First what servers stand on, where [cloud.openstack.foundation] has it: networks, security groups, keys. Then
    servers, services, proxies and the load balancer, by the hfs that runs the environment, or by this one if none
    does. It goes on from wherever it was killed.

    \b
    Example:
      hfs bootstrap production.toml && hfs run production.toml
    """
    from hfs_appliance.cli import founding

    founding.bootstrap(file, state, is_json=is_json)


@click.command()
@click.argument("file", type=FILE)
@_STATE
@yes
@as_json
def destroy(file: Path, state: Path | None, *, is_sure: bool, is_json: bool) -> None:
    """Remove everything that the environment of FILE has in its cloud and its registry.

    Shows it and asks; ends the hfs that runs the environment. What is removed is what the cloud says is the
    environment's: servers by their metadata, all else by its name.

    \b
    Example:
      hfs destroy production.toml
    """
    from hfs_appliance.cli import founding

    founding.destroy(file, state, is_sure=is_sure, is_json=is_json)


@click.command()
@as_json
@click.pass_obj
def handover(url: str, *, is_json: bool) -> None:
    """Have another appliance lead the environment.

    What is under way ends first, for 10 s at most. This appliance stands by from then on.

    \b
    Example:
      hfs handover
    """
    from hfs_appliance.cli import change

    change.handover(connect(url), is_json=is_json)


@click.command()
@yes
@no_wait
@as_json
@click.pass_obj
def down(url: str, *, is_sure: bool, is_impatient: bool, is_json: bool) -> None:
    """Retire everything and end `hfs run`.

    \b
    Example:
      hfs down --yes
    """
    from hfs_appliance.cli import change

    change.down(connect(url), console(), is_sure=is_sure, is_waiting=not is_impatient, is_json=is_json)
