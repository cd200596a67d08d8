"""Commands about upgrades and about the history of the desired state: ask, follow the events, tell how it ended."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

import click
from rich.console import Console

from hfs_appliance.cli import render, wait
from hfs_appliance.cli.change import ask, finish
from hfs_appliance.cli.client import Api, segment
from hfs_appliance.cli.failures import Failure
from hfs_appliance.model.ids import Version
from hfs_appliance.model.reports import Applied, Change, EventReport
from hfs_appliance.model.upgrades import GenerationReport, Ordered, RolloutReport

_KINDS = frozenset({"rollout-changed", "rollout-given-up", "traffic-changed"})
_PROMOTED = frozenset({"soak", "contract", "done"})
_GIVEN_BACK = frozenset({"contract", "done"})


def upgrade(api: Api, service: str, version: str, strategy: str | None, *, is_waiting: bool, is_json: bool) -> None:
    """Have another version take over. Errors: Failure, when it was taken back, too."""
    after = wait.last_seq(api)
    body = {"version": version, "strategy": strategy, "author": getpass.getuser()}
    text = api.call("POST", f"/services/{segment(service)}/upgrade", body)
    applied = api.read(Applied, text)
    if is_waiting:
        last = _follow(api, service, after, _PROMOTED, is_json=is_json)
        if last.kind == "rollout-given-up":
            raise Failure(f"{service} {version} was taken back: {last.fields['words']}", "`hfs rollouts` shows it")
    if is_json:
        click.echo(text)
    elif is_waiting:
        click.echo(f"{service} {version} has all requests; `hfs rollback {service}` takes them back")
    else:
        click.echo(f"generation {applied.generation} is stored; `hfs rollouts` shows how far it has got")


def roll_back(api: Api, service: str, *, is_waiting: bool, is_json: bool) -> None:
    """Go back to the former version. Errors: Failure."""
    after = wait.last_seq(api)
    text = api.call("POST", f"/services/{segment(service)}/rollback", {"author": getpass.getuser()})
    ordered = api.read(Ordered, text)
    is_at_once = ordered.order == "abort"
    if is_waiting:
        until = _GIVEN_BACK if is_at_once else _PROMOTED
        last = _follow(api, service, after, until, is_json=is_json, is_back=is_at_once)
        if last.kind == "rollout-given-up" and not is_at_once:
            raise Failure(f"the way back was given up: {last.fields['words']}", "`hfs rollouts` shows it")
    if is_json:
        click.echo(text)
    else:
        click.echo(f"{service} is {'back' if is_waiting else 'going back'}")


def order(api: Api, service: str, wanted: str, *, is_json: bool) -> None:
    """Ask something of the rollout that runs. Errors: Failure."""
    text = api.call("POST", f"/services/{segment(service)}/rollout", {"order": wanted})
    ordered = api.read(Ordered, text)
    told = f"rollout {ordered.number} of {service} is told to {wanted} (it was in {ordered.phase})"
    click.echo(text if is_json else told)


def show(api: Api, *, is_json: bool) -> None:
    """Show the rollouts. Errors: Failure."""
    text = api.call("GET", "/rollouts")
    if is_json:
        click.echo(text)
        return
    reports = api.read(list[RolloutReport], text)
    click.echo("\n\n".join(map(_rollout, reports)) if reports else "no service has had a rollout")


def history(api: Api, *, is_json: bool) -> None:
    """List the generations. Errors: Failure."""
    text = api.call("GET", "/history")
    if is_json:
        click.echo(text)
        return
    for each in api.read(list[GenerationReport], text):
        mark = "*" if each.is_in_force else " "
        click.echo(f"{mark} {each.generation:>5}  {each.at}  {each.author or '-'}  {each.words or each.file}")


def diff(api: Api, before: int, after: int, *, is_json: bool) -> None:
    """Show what differs between two generations. Errors: Failure."""
    text = api.call("GET", f"/history/{before}/{after}")
    if is_json:
        click.echo(text)
        return
    changes = api.read(list[Change], text)
    for change in changes:
        click.echo(f"{change.path}: {change.before or 'nothing'} → {change.after or 'nothing'}")
    if not changes:
        click.echo(f"generations {before} and {after} ask for the same")


def restore(api: Api, generation: int, confirm: str | None, *, is_sure: bool, is_waiting: bool, is_json: bool) -> None:
    """Make a former generation the next one. Errors: Failure."""
    present = api.status().generation
    changes = api.ask(list[Change], "GET", f"/history/{present}/{generation}")
    for change in changes:
        click.echo(f"{change.path}: {change.before or 'nothing'} → {change.after or 'nothing'}", err=True)
    ask(f"make generation {generation} the next one?", is_sure=is_sure)
    after = wait.last_seq(api)
    body = {"author": getpass.getuser(), "base_generation": present, "confirm": confirm}
    text = api.call("POST", f"/history/{generation}/restore", body)
    finish(api, Console(highlight=False), after, text, is_waiting=is_waiting, is_json=is_json)


def _follow(
    api: Api, service: str, after: int, until: frozenset[str], *, is_json: bool, is_back: bool = False
) -> EventReport:
    """Tell what happens to a rollout until it is in one of the phases, or given up. Errors: Failure."""
    for line in api.stream(after, is_following=True):
        event = api.read(EventReport, line)
        if event.kind not in _KINDS or event.fields.get("service") != service:
            continue
        click.echo(render.plain_event(event), err=is_json)
        if event.kind == "rollout-given-up" and not is_back:
            return event
        if event.kind == "rollout-changed" and event.fields["phase"] in until:
            return event
    raise Failure("hfs ended meanwhile; what was asked for goes on when it runs again")


def _rollout(report: RolloutReport) -> str:
    """Write one rollout: what, how far, what for, what next."""
    step = f", step {report.step + 1} of {report.steps}" if report.phase == "canary" else ""
    state = "is being taken back" if report.is_reverting else report.phase
    lines = [
        f"{report.service}  rollout {report.number}: {_names(report.old)} → {_names(report.new)}, {report.strategy}",
        f"  {state}{step} since {report.since}: {report.words}",
        f"  instances  {_serving(report.old)} | {_serving(report.new)} (of {report.wanted} wanted)",
    ]
    if report.weights:
        weights = ", ".join(f"{version} {weight / 10:g} %" for version, weight in report.weights.items())
        late = f"; not followed yet by {', '.join(report.lagging)}" if report.lagging else "; every proxy follows"
        lines.append(f"  requests   {weights} (epoch {report.epoch}{late})")
    if report.waits_for:
        until = f", until {report.until}" if report.until is not None else ""
        lines.append(f"  {'held' if report.is_held else 'waits'}      {report.waits_for}{until}")
    return "\n".join(lines)


def _names(versions: Mapping[Version, int]) -> str:
    return " and ".join(versions) or "nothing"


def _serving(versions: Mapping[Version, int]) -> str:
    return ", ".join(f"{version}: {count}" for version, count in versions.items()) or "none"
