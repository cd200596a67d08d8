"""`hfs replay`: what was decided and why, and what another configuration would have decided. Reads files only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from pydantic_core import to_json
from rich.console import Console, Group, RenderableType
from rich.text import Text

from hfs_appliance.cli.failures import Failure
from hfs_appliance.cli.render import PHASE_STYLES
from hfs_appliance.cli.replay_command import When
from hfs_appliance.cli.start import default_state
from hfs_appliance.config import load_file
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import MINUTE, SECOND, Instant, format_instant
from hfs_appliance.model.plan import Action, Claim, Create, Hold
from hfs_appliance.telemetry.decisions import Decided, Torn, began_at, files, read
from hfs_appliance.telemetry.replay import Other, Replayed, replay

FOLDER: Final = "decisions"
USUALLY: Final = When(15 * MINUTE, is_before_newest=True)
_SEEN_SHOWN: Final = 12
_FOR_EVER: Final = Instant((1 << 63) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `hfs replay` was asked for; None: as usual."""

    since: When | None
    until: When | None
    config: Path | None
    state: Path | None
    is_json: bool


def run(request: Request, console: Console) -> None:
    """Show the decisions of a span. Errors: ConfigError, Failure."""
    directory = (request.state or _only_state()) / FOLDER
    found = files(directory)
    if not found:
        raise Failure(f"no decisions are recorded in {directory}", "`hfs run` records them in its state directory")
    newest = Instant(max(found[-1].stat().st_mtime_ns, began_at(found[-1])))
    first = _instant(request.since or USUALLY, newest)
    last = _instant(request.until, newest) if request.until is not None else _FOR_EVER
    wanted = load_file(request.config)[0] if request.config is not None else None
    torn: list[Torn] = []
    total = shown = 0
    before: Replayed | None = None
    for one in replay(_intact(read(directory, first, last), torn), first, wanted):
        total += 1
        if one.is_news(before):
            shown += 1
            _print(one, console, is_json=request.is_json)
        before = one
    for each in torn:
        click.echo(f"{each.path.name} {each.words}; what is missing there is skipped", err=True)
    if not total:
        span = f"{format_instant(began_at(found[0]))} to {format_instant(newest)}"
        raise Failure("nothing was decided in that time", f"decisions are recorded from {span}")
    if not request.is_json:
        console.print(Text(f"{shown} of {total} decisions had anything new", "dim"))


def _intact(decisions: Iterable[Decided | Torn], torn: list[Torn]) -> Iterator[Decided]:
    for each in decisions:
        if isinstance(each, Torn):
            torn.append(each)
        else:
            yield each


def _instant(moment: When, newest: Instant) -> Instant:
    return Instant(newest - moment.ns if moment.is_before_newest else moment.ns)


def _only_state() -> Path:
    """Find the state directory when there is only one that has decisions. Errors: Failure."""
    home = default_state(EnvironmentName("x")).parent
    states = sorted(path.parent for path in home.glob(f"*/{FOLDER}")) if home.is_dir() else []
    if len(states) == 1:
        return states[0]
    names = ", ".join(str(path) for path in states) or f"none in {home}"
    raise Failure(f"which state directory? There are: {names}", "give --state DIR, the one that `hfs run` names")


def _print(one: Replayed, console: Console, *, is_json: bool) -> None:
    if is_json:
        click.echo(to_json(_told(one)))
    else:
        console.print(_show(one))


def _told(one: Replayed) -> dict[str, Any]:
    """Give a decision as JSON tells it."""
    other = one.other
    return {
        "at": format_instant(one.at),
        "saw": one.saw,
        "verdicts": [verdict._asdict() for verdict in one.verdicts],
        "actions": [_action(action) for action in one.actions],
        "held": one.begun,
        "no_longer_held": one.ended,
        "converged": one.is_converged,
        "same": one.is_same,
        "other": None
        if other is None
        else {
            "more": [_action(action) for action in other.more],
            "less": [_action(action) for action in other.less],
            "held": other.held,
            "not_held": other.free,
        },
    }


def _action(action: Action) -> dict[str, Any]:
    return {"verb": action.verb, **asdict(action)}


def _show(one: Replayed) -> RenderableType:
    moment = datetime.fromtimestamp(one.at // SECOND).astimezone()
    parts: list[RenderableType] = [
        Text(f"{moment:%Y-%m-%d %H:%M:%S}.{one.at % SECOND // 1_000_000:03d}", "bold"),
        *(Text(f"  saw {line}", "dim") for line in one.saw[:_SEEN_SHOWN]),
    ]
    if len(one.saw) > _SEEN_SHOWN:
        parts.append(Text(f"  and saw {len(one.saw) - _SEEN_SHOWN} more", "dim"))
    for verdict in one.verdicts:
        style = PHASE_STYLES.get(verdict.phase, "blue")
        parts.append(
            Text.assemble(
                f"  {verdict.server} is ", (verdict.phase.value, style), f": {verdict.words} ({verdict.rule})"
            )
        )
    parts += [Text(f"  {_deed(action)}") for action in one.actions]
    parts += [Text(f"  held: {_hold(hold)}", "yellow") for hold in one.begun]
    parts += [Text(f"  no longer held: {hold.scope} ({hold.rule})", "green") for hold in one.ended]
    if not one.is_same:
        parts.append(Text("  this version of hfs decides otherwise here", "bold red"))
    if one.other is not None and not one.other.is_alike:
        parts += _other(one.other)
    return Group(*parts)


def _other(other: Other) -> Iterator[Text]:
    for action in other.more:
        yield Text(f"  it would {_deed(action)}", "cyan")
    for action in other.less:
        yield Text(f"  it would not {action.verb} {action.server}", "cyan")
    for hold in other.held:
        yield Text(f"  it would hold {_hold(hold)}", "cyan")
    for hold in other.free:
        yield Text(f"  it would not hold {hold.scope} ({hold.rule})", "cyan")


def _deed(action: Action) -> str:
    role = ""
    if isinstance(action, Claim):
        role = f" for {action.service} {action.version}"
    elif isinstance(action, Create):
        role = f" in {action.az}"
    return f"{action.verb} {action.server}{role}: {action.reason.words} ({action.reason.cause.value})"


def _hold(hold: Hold) -> str:
    return f"{hold.scope}: {hold.words} ({hold.rule})"
