"""What `hfs explain` prints: a server, a service, or a path of the endpoint. Reports in, rich renderables out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hfs_appliance.cli import render
from hfs_appliance.cli.client import Api, segment
from hfs_appliance.model.explained import (
    DocumentReport,
    Explained,
    MemberReport,
    PathExplanation,
    RoutingReport,
    ServerExplanation,
    ServiceExplanation,
    Waiting,
)
from hfs_appliance.model.plan import Hold, Phase, VersionCount
from hfs_appliance.model.reports import EventReport, ServerReport

_MOST: Final = 20
"""Rows of a list: the ones that need looking at come first, `--json` has all."""
_TRAFFIC: Final = {"yes": "green", "standby": "cyan", "no": "yellow"}
_DOCUMENT: Final = {"current": "green", "none": "", "unknown": "dim"}


def ask(api: Api, target: str) -> str:
    """Ask for the explanation of a server, a service or a path. Errors: Failure."""
    return api.call("GET", f"/explain?target={segment(target)}")


def show(api: Api, text: str) -> RenderableType:
    """Show an explanation as it came from the API. Errors: Failure."""
    found: Explained = api.read(Explained, text)  # type: ignore[arg-type]  # a union is no `type` to mypy
    match found:
        case ServerExplanation():
            return _server(found)
        case ServiceExplanation():
            return _service(found)
        case PathExplanation():
            return _path(found)
        case _:
            assert_never(found)


def _server(report: ServerExplanation) -> RenderableType:
    one = report.report
    role = f"{one.service} {one.version}, slot {one.slot}" if one.service else "none"
    phase = Text.assemble((one.phase, render.PHASE_STYLES.get(one.phase, "blue")), f" since {render.clock(one.since)}")
    return Group(
        Text(one.server, "bold"),
        _facts(
            ("phase", phase),
            ("rule", Text(f"{one.rule}: {one.words}")),
            ("role", Text(role)),
            ("place", Text(f"{one.address or 'no address'}, pool {one.pool}, {one.az}")),
        ),
        *_waits(report.waits),
        *_holds(report.holds),
        Text("\nwitnesses", "bold"),
        _facts(*((source, Text(words)) for source, words in report.evidence.items())),
        *_events(report.events),
        Text("\nlog", "bold"),
        Text(report.log.rstrip("\n"), "dim"),
    )


def _service(report: ServiceExplanation) -> RenderableType:
    pool = report.pool_count
    there = f"{pool.warm}/{pool.size} warm, {pool.building} building" if pool is not None else "there is none"
    facts = [("version", _count(version, count)) for version, count in report.versions.items()]
    facts += [("floor", Text(f"{report.floor} instances at least"))] if report.floor else []
    facts += [("pool", Text(f"{report.pool}: {there}"))] if report.pool else []
    scaling = report.scaling
    if scaling is not None:
        facts.append(("scales", Text(f"{scaling.instances}: {scaling.words}")))
        facts += [("signal", Text(words)) for words in scaling.signals]
    facts.append(("document", _document(report.document)))
    return Group(
        Text(report.service, "bold"),
        _facts(*facts),
        *_waits(report.waits),
        *_holds(report.holds),
        *_servers(report.servers),
        *_routing(report.routing),
        *_events(report.events),
    )


def _path(report: PathExplanation) -> RenderableType:
    facts = [("answered by", Text(report.words))]
    facts += [("document", _document(report.document))] if report.document is not None else []
    routing = _routing(report.routing) if report.service is not None else []
    return Group(Text(report.url, "bold"), _facts(*facts), *_holds(report.holds), *routing, *_events(report.events))


def _count(version: str, count: VersionCount) -> Text:
    others = (("starting", count.starting), ("suspect", count.suspect), ("draining", count.draining))
    more = "".join(f", {number} {name}" for name, number in others if number)
    is_met = count.serving >= count.desired
    return Text.assemble(
        f"{version}: ", (f"{count.serving} of {count.desired} serve", "green" if is_met else "yellow"), more
    )


def _document(report: DocumentReport) -> Text:
    operations = f", {report.operations} operations" if report.operations else ""
    words = f": {report.words}" if report.words else ""
    return Text.assemble((report.state, _DOCUMENT.get(report.state, "yellow")), f"{operations}{words}")


def _servers(servers: Sequence[ServerReport]) -> list[RenderableType]:
    """List those that do not simply serve, and count the others."""
    odd = [one for one in servers if one.phase != Phase.SERVING]
    table = _grid()
    for one in odd[:_MOST]:
        phase = Text(one.phase, render.PHASE_STYLES.get(one.phase, "blue"))
        table.add_row(Text(one.server), phase, Text(render.clock(one.since)), Text(f"{one.rule}: {one.words}"))
    serving = f"{len(servers) - len(odd)} serve"
    return [Text("\nservers", "bold"), *([table] if odd else []), *_more(odd), Text(serving, "dim")]


def _routing(report: RoutingReport | None) -> list[RenderableType]:
    if report is None:
        return [Text("\ntraffic", "bold"), Text("the endpoint has no route to it", "yellow")]
    split = _grid()
    for each in report.divisions:
        matches = f"and who carries {', or '.join(each.matches)}" if each.matches else ""
        share = f"{each.weight / 10:g} %"
        split.add_row(Text(each.version), Text(share), Text(f"over {each.members}"), Text(matches))
    divided = f"divided by weight: {report.divided_by}" if report.divided_by else "evenly over all members"
    if report.epoch:
        divided += f" (traffic epoch {report.epoch})"
    parts: list[RenderableType] = [Text("\ntraffic", "bold"), Text(report.words), Text(divided, "dim")]
    parts += [split] if report.divisions else [Text("no members: it answers 503", "yellow")]
    return [*parts, *_members(report.members)]


def _members(members: Sequence[MemberReport]) -> list[RenderableType]:
    """List members, those without traffic first."""
    ordered = sorted(members, key=lambda each: each.traffic == "yes" and each.words == "registered")
    table = _grid()
    for one in ordered[:_MOST]:
        phase = Text(one.phase, render.PHASE_STYLES.get(one.phase, "blue"))
        traffic = Text(f"traffic: {one.traffic}", _TRAFFIC[one.traffic])
        table.add_row(traffic, Text(one.instance), Text(one.version), Text(one.address), phase, Text(one.words))
    return [table, *_more(ordered)] if members else []


def _waits(waits: Sequence[Waiting]) -> list[RenderableType]:
    table = _grid()
    for one in waits[:_MOST]:
        since = f"since {render.clock(one.since)}" if one.since is not None else ""
        until = f"until {render.clock(one.until)}" if one.until is not None else ""
        table.add_row(Text(one.what), Text(f"{one.words} {f'({since} {until})' if since or until else ''}".rstrip()))
    return [Text("\nwaits", "bold"), table, *_more(waits)] if waits else []


def _holds(held: Iterable[Hold]) -> list[RenderableType]:
    lines = render.holds(held)
    return [Text(), *lines] if lines else []


def _events(events: Sequence[EventReport]) -> list[RenderableType]:
    return [Text("\nevents", "bold"), *(render.event(told) for told in events[-_MOST:])] if events else []


def _more(rows: Sequence[object]) -> list[RenderableType]:
    return [Text(f"and {len(rows) - _MOST} more (--json has all)", "dim")] if len(rows) > _MOST else []


def _facts(*rows: tuple[str, Text]) -> Table:
    table = _grid()
    for name, value in rows:
        table.add_row(Text(name, "dim"), value)
    return table


def _grid() -> Table:
    return Table.grid(padding=(0, 2))
