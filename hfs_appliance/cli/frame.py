"""One frame of the live view: what is being built, how far it is, what happened last. Values in, a renderable out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hfs_appliance.cli import render
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import format_duration, seconds
from hfs_appliance.model.plan import PoolCount, VersionCount
from hfs_appliance.model.reports import EventReport, ServerReport, Status

EVENTS_SHOWN: Final = 8
_BAR_WIDTH: Final = 16
_STARTING: Final = frozenset({"assigned", "warming"})
_BUILDING: Final = frozenset({"creating", "booting", "configuring"})
_WORTH_TELLING_S: Final = 5
"""From then on an age is shown: what takes less is over before it is read."""


def frame(
    title: str, status: Status, servers: Sequence[ServerReport], events: Sequence[EventReport], elapsed_s: float
) -> RenderableType:
    """Draw the whole view: headline, what is held, bars, servers, newest events."""
    head = Text.assemble(_state(title, status), "  ", (status.environment, "bold cyan"), "  ")
    head.append(format_duration(seconds(int(elapsed_s))), "dim")
    bars = Table.grid(padding=(0, 2, 0, 0))
    bars.add_column(no_wrap=True)
    bars.add_column(width=_BAR_WIDTH)
    bars.add_column(justify="right", no_wrap=True)
    bars.add_column(no_wrap=True, overflow="ellipsis")
    for row in _rows(status, servers):
        bars.add_row(*row)
    told = [render.event(event) for event in events if not render.is_background(event)][-EVENTS_SHOWN:]
    for line in told:
        line.no_wrap, line.overflow = True, "ellipsis"
    parts: list[RenderableType] = [head, Text(_summary(status), "dim")]
    parts += [*render.appliances(status), *render.holds(status.holds), Text()]
    if bars.row_count:
        parts += [bars, Text()]
    parts.append(render.servers_line(status))
    return Group(*parts, Text(), *told)


def ready(status: Status, elapsed_s: float, program: str) -> RenderableType:
    """Say that everything is there, and what to do with it; `program` is how to call hfs."""
    instances = sum(map(_up, status.services.values()))
    spent = format_duration(seconds(int(elapsed_s)))
    first = next(iter(sorted(status.services)), None)
    line = Text.assemble(("ready", "bold green"), f"  {len(status.services)} services, {instances} instances, {spent}")
    links = Table.grid(padding=(0, 2, 0, 2))
    if first is not None:
        links.add_row(Text("services", "dim"), Text(f"{status.endpoint}/{first}/ …", "cyan"))
    links.add_row(Text("documents", "dim"), Text(f"{status.endpoint}/docs/", "cyan"))
    links.add_row(
        Text("look", "dim"),
        Text(", ".join(f"{program} {command}" for command in ("status", "servers", "events --follow"))),
    )
    if status.mode != "standby":
        links.add_row(Text("break it", "dim"), Text(f"{program} kill SERVER, and watch it heal"))
    links.add_row(Text("end", "dim"), Text("Ctrl-C"))
    return Group(Text(), line, *render.appliances(status), links, Text())


def _state(title: str, status: Status) -> tuple[str, str]:
    if status.mode == "closing":
        return ("Closing", "bold") if status.servers_total else ("Closed", "bold green")
    return ("Converged", "bold green") if status.converged else (title, "bold")


def _summary(status: Status) -> str:
    """Say in words what is missing."""
    if status.mode == "sync":
        return f"waiting for the registry ({status.session})"
    if status.mode == "closing":
        return f"{status.servers_total} servers are left to retire" if status.servers_total else "nothing is left"
    up = sum(map(_up, status.services.values()))
    desired = sum(count.desired for versions in status.services.values() for count in versions.values())
    routed = sum(min(status.routed.get(service, 0), _up(versions)) for service, versions in status.services.items())
    words = f"{routed} of {desired} instances serve at {status.endpoint}"
    if any(hold.scope == render.ENDPOINT for hold in status.holds):  # whether what it routed formerly serves: who knows
        words = f"{up} of {desired} instances are up; the endpoint refuses their routes"
    elif routed < up:
        words += f"; {up - routed} more {'is' if up - routed == 1 else 'are'} up, not routed yet"
    if status.mode == "standby":
        return f"{words}; this appliance stands by"
    return words if status.mode == "active" else f"{words}; nothing destructive is done ({status.mode})"


def _up(versions: Mapping[Version, VersionCount]) -> int:
    return sum(count.serving for count in versions.values())


def _rows(status: Status, servers: Sequence[ServerReport]) -> Iterator[tuple[RenderableType, ...]]:
    if status.mode == "closing":
        return
    for pool, standing in status.pools.items():
        building = [one for one in servers if one.pool == pool and one.phase in _BUILDING]
        yield _pool_row(pool, standing, _age(building))
    for service, versions in status.services.items():
        for version, count in versions.items():
            starting = [one for one in servers if (one.service, one.version) == (service, version)]
            yield _version_row(f"{service} {version}", count, _age([one for one in starting if one.phase in _STARTING]))


def _age(servers: Sequence[ServerReport]) -> str:
    """Say for how long the oldest of them has been where it is."""
    if not servers:
        return ""
    age_s = int((datetime.now(UTC) - min(datetime.fromisoformat(one.since) for one in servers)).total_seconds())
    return f" for {format_duration(seconds(age_s))}" if age_s >= _WORTH_TELLING_S else ""


def _pool_row(name: str, count: PoolCount, age: str) -> tuple[RenderableType, ...]:
    return _row(f"pool {name}", count.warm, count.size, "warm", ((f"building{age}", count.building),))


def _version_row(name: str, count: VersionCount, age: str) -> tuple[RenderableType, ...]:
    rest = ((f"starting{age}", count.starting), ("suspect", count.suspect), ("draining", count.draining))
    return _row(name, count.serving, count.desired, "serving", rest)


def _row(name: str, have: int, want: int, word: str, rest: Sequence[tuple[str, int]]) -> tuple[RenderableType, ...]:
    is_met = have >= want
    bar = ProgressBar(
        total=max(want, 1),
        completed=min(have, want) if want else 1,
        width=_BAR_WIDTH,
        complete_style="yellow",
        finished_style="green",
    )
    counted = Text(f"{have}/{want} {word}", "green" if is_met else "")
    return Text(name), bar, counted, Text(", ".join(f"{number} {what}" for what, number in rest if number), "dim")
