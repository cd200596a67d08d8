"""The commands about a whole environment: build it and keep it so, give it to another appliance, end it."""

from __future__ import annotations

from pathlib import Path

import click

from hfs_appliance.cli.options import FILE, as_json, connect, console, no_wait, yes


@click.command()
@click.argument("file", type=FILE)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="State directory.")
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
