"""Commands that change the environment: show what would happen, ask, do it, wait until it is so."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic_core import to_json
from rich.console import Console

from hfs_appliance.cli import planned, wait
from hfs_appliance.cli.client import Api, segment
from hfs_appliance.cli.failures import Failure
from hfs_appliance.config import load_file
from hfs_appliance.model.reports import Applied, HandedOver, PlanReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What `hfs scale` was asked for."""

    service: str
    version: str | None
    instances: int
    confirm: str | None


def plan(api: Api, file: Path | None, console: Console, *, is_json: bool) -> None:
    """Show what will be done, or what applying a file would do. Errors: ConfigError, Failure."""
    text = api.call("POST", "/plan", _source(file)) if file is not None else api.call("GET", "/plan")
    if is_json:
        click.echo(text)
    else:
        console.print(planned.show(api.read(PlanReport, text)))


def apply(
    api: Api, file: Path, console: Console, *, confirm: str | None, is_sure: bool, is_waiting: bool, is_json: bool
) -> None:
    """Apply a file. Errors: ConfigError, Failure."""
    source = _source(file)
    found = api.ask(PlanReport, "POST", "/plan", source)
    if not is_json:
        console.print(planned.show(found))
    if not found.changes:
        if is_json:
            click.echo(to_json(Applied(generation=found.generation, changes=())))
        return
    ask("apply this plan?", is_sure=is_sure)
    body = source | {"author": getpass.getuser(), "base_generation": found.generation, "confirm": confirm}
    finish(api, console, wait.last_seq(api), api.call("PUT", "/desired", body), is_waiting=is_waiting, is_json=is_json)


def scale(api: Api, wanted: Scale, console: Console, *, is_waiting: bool, is_json: bool) -> None:
    """Change a count. Errors: Failure."""
    body = {
        "instances": wanted.instances,
        "version": wanted.version,
        "author": getpass.getuser(),
        "confirm": wanted.confirm,
    }
    after = wait.last_seq(api)
    text = api.call("POST", f"/services/{segment(wanted.service)}/scale", body)
    finish(api, console, after, text, is_waiting=is_waiting, is_json=is_json)


def handover(api: Api, *, is_json: bool) -> None:
    """Have another appliance lead. Errors: Failure."""
    answer = api.call("POST", "/handover", {})
    leader = api.read(HandedOver, answer).leader
    click.echo(answer if is_json else f"{leader.name} leads now, epoch {leader.epoch}: {leader.address}")


def down(api: Api, console: Console, *, is_sure: bool, is_waiting: bool, is_json: bool) -> None:
    """Retire everything. Errors: Failure."""
    status = api.status()
    ask(f"retire all {status.servers_total} servers of {status.environment}?", is_sure=is_sure)
    after = wait.last_seq(api)
    answer = api.call("POST", "/down", {})
    if is_waiting:
        wait.until_gone(api, beside(console, is_json=is_json), after)
    if is_json:
        click.echo(answer)
    else:
        click.echo("everything is retired" if is_waiting else "everything is being retired")


def _source(file: Path) -> dict[str, str | int]:
    """Read and check a file here, where the operator's directories are; the appliance checks it again."""
    _, source = load_file(file)
    return {"source": source, "file": str(file.absolute())}


def ask(question: str, *, is_sure: bool) -> None:
    """Ask before something is changed. Errors: Failure, UsageError when nobody is there."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to ask: give --yes")
    if not click.confirm(question, err=True):  # stdout is for what a machine may read
        raise Failure("nothing was changed")


def finish(api: Api, console: Console, after: int, answer: str, *, is_waiting: bool, is_json: bool) -> None:
    """Wait for the new generation, then tell its number; with JSON, only the answer goes to stdout."""
    applied = api.read(Applied, answer)
    if is_waiting:
        wait.until_converged(api, beside(console, is_json=is_json), applied.generation, after)
    if is_json:
        click.echo(answer)
    else:
        click.echo(f"generation {applied.generation} is {'converged' if is_waiting else 'stored'}")


def beside(console: Console, *, is_json: bool) -> Console:
    """Give the console for what is shown while waiting: with JSON, only that goes to stdout."""
    return Console(stderr=True, highlight=False) if is_json else console
