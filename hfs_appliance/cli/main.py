"""`hfs`: every command, its words and its exit code. What a command needs is imported when it runs: help is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hfs_appliance import __version__
from hfs_appliance.cli import environment, upgrades
from hfs_appliance.cli.failures import FAILED, Failure
from hfs_appliance.cli.guards import adopt, approve, hold, holds, release
from hfs_appliance.cli.names import SERVER, SERVICE, TARGET
from hfs_appliance.cli.options import FILE, as_json, confirm_hash, connect, console, no_wait, yes
from hfs_appliance.cli.replay_command import replay
from hfs_appliance.cli.root import Lazy, Root, program_of
from hfs_appliance.cli.simulation.command import simulate

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


DEFAULT_API: Final = "http://127.0.0.1:8081"


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Begin:
  hfs config init hfs.toml      write a commented starting file
  hfs run hfs.toml              build everything it describes, and keep it so
  hfs status                    look at it, from another terminal
  hfs --simulate                watch hfs survive bad days, with nothing real at stake

\b
Exit codes:
  0   done, or nobody reads the output any more
  1   the operation failed
  2   the command line is wrong
  69  no hfs answers (EX_UNAVAILABLE)
  78  the configuration has mistakes (EX_CONFIG)
  130 interrupted (Ctrl-C)

\b
HFS_DEBUG=1 shows tracebacks, NO_COLOR=1 turns colours off.""",
)
@click.option("--api", "url", envvar="HFS_API", default=DEFAULT_API, show_default=True, help="Admin API (or HFS_API).")
@click.option("--simulate", is_flag=True, expose_value=False, help="The same as the command `simulate`.")
@click.version_option(__version__, message="hfs %(version)s")
@click.pass_context
def cli(ctx: click.Context, url: str) -> None:
    """Hosting Foundation Services: many small web services behind one REST endpoint."""
    ctx.obj = url


def main() -> None:
    """Run the command line; a mistake of ours is one line, too, unless HFS_DEBUG asks for more."""
    try:
        cli.main(prog_name="hfs")
    except Exception as error:
        if os.environ.get("HFS_DEBUG"):
            raise
        words = f"hfs failed: {type(error).__name__}: {error}"
        Failure(words, "this is a mistake of hfs; HFS_DEBUG=1 shows where").show()
        sys.exit(FAILED)


for begin in (environment.run, environment.bootstrap):
    cli.add_command(begin)


@cli.command()
@click.option("--watch", "is_watching", is_flag=True, help="Show it again each second, until Ctrl-C.")
@as_json
@click.pass_obj
def status(url: str, *, is_watching: bool, is_json: bool) -> None:
    """Show the environment at a glance.

    \b
    Example:
      hfs status --json | jq .converged
    """
    from hfs_appliance.cli import render, watch
    from hfs_appliance.model.reports import Status

    api = connect(url)

    def draw() -> str | RenderableType:
        text = api.call("GET", "/status")
        return text if is_json else render.status(api.read(Status, text))

    watch.show(draw, console(), is_watching=is_watching)


@cli.command()
@as_json
@click.pass_obj
def servers(url: str, *, is_json: bool) -> None:
    """List the servers, their phase and their role.

    \b
    Example:
      hfs servers
    """
    from hfs_appliance.cli.listing import Listing
    from hfs_appliance.model.reports import ServerReport

    api = connect(url)
    text = api.call("GET", "/servers")
    reports = [] if is_json else api.read(list[ServerReport], text)
    _print(text if is_json else Listing(reports) if reports else "no servers")


@cli.command()
@click.argument("file", type=FILE, required=False)
@as_json
@click.pass_obj
def plan(url: str, file: Path | None, *, is_json: bool) -> None:
    """Show what hfs will do, or what applying FILE would change and do. Changes nothing.

    Server by server until everything is as asked for, with the guards that trip and the time that it takes.

    \b
    Example:
      hfs plan configs/local.toml

    The exit code is 0 whether or not there is something to do.
    """
    from hfs_appliance.cli import change

    change.plan(connect(url), file, console(), is_json=is_json)


@cli.command()
@click.argument("file", type=FILE)
@yes
@confirm_hash
@no_wait
@as_json
@click.pass_obj
def apply(url: str, file: Path, confirm: str | None, *, is_sure: bool, is_impatient: bool, is_json: bool) -> None:
    """Make FILE the desired state.

    Shows the plan, asks, applies it and waits until everything is as asked.

    \b
    Example:
      hfs apply --yes configs/local.toml
    """
    from hfs_appliance.cli import change

    change.apply(
        connect(url),
        file,
        console(),
        confirm=confirm,
        is_sure=is_sure,
        is_waiting=not is_impatient,
        is_json=is_json,
    )


@cli.command()
@click.argument("service", type=SERVICE)
@click.argument("instances", type=click.IntRange(min=0))
@click.option("--version", help="Which version, when the service has several.")
@confirm_hash
@no_wait
@as_json
@click.pass_obj
def scale(
    url: str,
    service: str,
    instances: int,
    version: str | None,
    confirm: str | None,
    *,
    is_impatient: bool,
    is_json: bool,
) -> None:
    """Run INSTANCES instances of SERVICE, and wait until they serve.

    \b
    Example:
      hfs scale dns 8
    """
    from hfs_appliance.cli import change

    wanted = change.Scale(service=service, version=version, instances=instances, confirm=confirm)
    change.scale(connect(url), wanted, console(), is_waiting=not is_impatient, is_json=is_json)


@cli.command()
@click.option("--follow", "-f", "is_following", is_flag=True, help="Go on with new events, until Ctrl-C.")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="N", help="Only events after number N.")
@as_json
@click.pass_obj
def events(url: str, after: int, *, is_following: bool, is_json: bool) -> None:
    """Show what happened, and with --follow what happens.

    \b
    Example:
      hfs events --follow --json | jq .line
    """
    from hfs_appliance.cli import render
    from hfs_appliance.model.reports import EventReport

    api, out = connect(url), console()
    for text in api.stream(after, is_following=is_following):
        _print(text if is_json else render.event(api.read(EventReport, text)), out)


@cli.command()
@click.argument("target", type=TARGET, metavar="SERVER|SERVICE|PATH")
@as_json
@click.pass_obj
def explain(url: str, target: str, *, is_json: bool) -> None:
    """Explain a server, a service, or a path of the endpoint.

    By which rule, since when, on what evidence; what waits for what, and what is held; who has traffic, and why
    somebody has none.

    \b
    Example:
      hfs explain small-0003
      hfs explain dns
      hfs explain /dns/records
    """
    from hfs_appliance.cli import explained

    api = connect(url)
    text = explained.ask(api, target)
    _print(text if is_json else explained.show(api, text))


@cli.command()
@click.argument("server", type=SERVER)
@as_json
@click.pass_obj
def kill(url: str, server: str, *, is_json: bool) -> None:
    """Break SERVER, and see it replaced.

    It ends at once, as in a power failure (local provider only).

    \b
    Example:
      hfs kill small-0003
    """
    from hfs_appliance.cli.client import segment

    answer = connect(url).call("POST", f"/servers/{segment(server)}/kill", {})
    click.echo(answer if is_json else f"{server} is broken; watch it heal with: hfs events --follow")


for command in (
    environment.handover,
    environment.down,
    environment.destroy,
    *upgrades.COMMANDS,
    holds,
    hold,
    release,
    approve,
    adopt,
):
    cli.add_command(command)
cli.add_command(replay)
cli.add_command(simulate)


@cli.command(hidden=True)
@click.option("--identity", type=FILE, required=True, help="Identity file of this server.")
def agent(identity: Path) -> None:
    """Run what runs on every server; hfs starts it by itself.

    \b
    Example:
      hfs agent --identity /etc/hfs/identity.json
    """
    from hfs_appliance.agent.main import main

    sys.exit(main(identity))


cli.add_command(program_of("guest", "hfs_appliance.agent.guest", "Be a cloned guest's agent.", hidden=True))
cli.add_command(
    program_of("guest-state", "hfs_appliance.adapters.qemu.saved", "Save what guests are cloned from.", hidden=True)
)
cli.add_command(program_of("proxy", "hfs_appliance.edge", "Be a server's proxy; its agent starts it.", hidden=True))
cli.add_command(
    program_of(
        "registry", "sim.wire.zookeeper.__main__", "Run the embedded registry; `hfs run` starts it.", hidden=True
    )
)
cli.add_command(
    program_of(
        "fake-openstack",
        "sim.wire.openstack.__main__",
        """Run an OpenStack cloud of processes on this machine, to try hfs on.

        \b
        Example:
          hfs fake-openstack --directory .hfs/openstack
        """,
    )
)
cli.add_command(
    Lazy("hfs_appliance.cli.config:config", name="config", help="Check, describe and begin configuration files.")
)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      source <(hfs completion bash)
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, shell
    click.echo(kind(cli, {}, "hfs", "_HFS_COMPLETE").source())


@cli.command()
def version() -> None:
    """Print the version.

    \b
    Example:
      hfs version
    """
    click.echo(f"hfs {__version__}")


def _print(content: str | RenderableType, out: Console | None = None) -> None:
    """Print JSON as it is, anything else through rich."""
    if isinstance(content, str):
        click.echo(content)
    else:
        (out or console()).print(content)
