"""Tables: what the commands print for people. Values in, rich renderables out; nothing here asks or waits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hfs_appliance.model.instants import SECOND, Duration, format_duration
from hfs_appliance.model.plan import Hold, Phase
from hfs_appliance.model.reports import EventReport, Status

STYLES: Final = {"debug": "dim", "info": "", "warning": "yellow", "error": "bold red"}
PHASE_STYLES: Final = {
    "serving": "green",
    "warm": "cyan",
    "suspect": "yellow",
    "ambiguous": "yellow",
    "lost": "bold red",
    "quarantined": "red",
    "draining": "magenta",
    "deleting": "magenta",
    "gone": "dim",
}
ENDPOINT: Final = "endpoint"
"""Scope of the holds that concern all traffic."""
_PROSE_WIDTH: Final = 24
"""Least width of a column of sentences, however narrow the terminal is."""


def status(report: Status) -> RenderableType:
    """Show the environment at a glance."""
    return Group(
        headline(report),
        *appliances(report),
        Text(),
        _services(report),
        Text(),
        _pools(report),
        Text(),
        servers_line(report),
        *balancer(report),
        *scaling(report),
        *holds(report.holds),
    )


def headline(report: Status) -> Text:
    """Say in one line what it is and how it is."""
    line = Text.assemble((report.environment or "(no environment yet)", "bold"), "  ", state(report))
    line.append(f"  generation {report.generation}, up {format_duration(Duration(report.uptime_s * SECOND))}", "dim")
    if report.session != "connected":
        line.append(f"  registry {report.session}", "yellow")
    line.append(f"  {report.endpoint}", "cyan underline")
    return line


def appliances(report: Status) -> list[Text]:
    """Say who leads and who stands by; nothing when there is only one."""
    if report.leader is not None and not report.standing_by:
        return []
    line = Text.assemble(("leader", "bold"), "  ")
    if report.leader is None:
        line.append("none now", "yellow")
    else:
        line.append(f"{report.leader.name}, {report.leader.address}, epoch {report.leader.epoch}")
    if report.standing_by:
        line.append(f"  standing by: {', '.join(report.standing_by)}", "dim")
    return [line]


def state(report: Status) -> Text:
    """Say in one word how it stands."""
    if report.mode != "active":
        return Text(report.mode, "yellow")
    return Text("converged", "green") if report.converged else Text("converging", "yellow")


def servers_line(report: Status) -> Text:
    """Count the servers by phase."""
    line = Text.assemble(("servers", "bold"), f"  {report.servers_total} of {report.servers_max} at most")
    for phase in Phase:  # in the order of a life
        number = report.servers_by_phase.get(phase, 0)
        if number and phase is not Phase.GONE:
            line.append("  ")
            line.append(f"{number} {phase}", PHASE_STYLES.get(phase, "blue"))
    return line


def balancer(report: Status) -> list[Text]:
    """Say how the load balancer stands, and of each proxy that gets no requests why not."""
    found = report.balancer
    if found is None:
        return []
    reached = sum(bool(proxy.weight) for proxy in found.proxies)
    style = "green" if found.state == "active" else "yellow"
    line = Text.assemble(("balancer", "bold"), f"  {found.name} {found.address}  ", (found.state, style))
    line.append(f"  {reached} of {len(found.proxies)} proxies get requests")
    out = [Text(f"  {each.place}: {each.words}", "yellow") for each in found.proxies if each.rule != "serves"]
    return [line, *out]


def scaling(report: Status) -> list[Text]:
    """Say why services that scale themselves have so many instances."""
    return [
        Text.assemble((f"scales: {name} ", "bold"), f"{found.instances}: {found.words}")
        for name, found in sorted(report.scaling.items())
    ]


def holds(held: Iterable[Hold]) -> list[Text]:
    """Say what is held: the endpoint is everybody's, so it comes first and in red."""
    ordered = sorted(held, key=lambda hold: hold.scope != ENDPOINT)
    return [
        Text(f"held: {hold.scope}: {hold.words} ({hold.rule})", "bold red" if hold.scope == ENDPOINT else "yellow")
        for hold in ordered
    ]


def event(report: EventReport) -> Text:
    """Write one event as a line."""
    style = STYLES.get(report.severity) or PHASE_STYLES.get(str(report.fields.get("phase")), "")
    return Text.assemble((clock(report.at), "dim"), "  ", (report.line, style))


def is_background(report: EventReport) -> bool:
    """Tell whether an event is bookkeeping, of interest only to those who ask for all events."""
    return report.severity == "debug" or report.fields.get("cause") == "bookkeeping"


def plain_event(report: EventReport) -> str:
    """Write one event for a log file."""
    return f"{report.at} {report.severity:7} {report.line}"


def clock(moment: str) -> str:
    """Write an ISO instant as local time of day."""
    return f"{datetime.fromisoformat(moment).astimezone():%H:%M:%S}"


def _services(report: Status) -> Table:
    rows = table("service", "version", "serving", "", "routed")
    for service, versions in report.services.items():
        for number, (version, count) in enumerate(versions.items()):
            more = [
                f"{amount} {name}"
                for name, amount in (
                    ("starting", count.starting),
                    ("suspect", count.suspect),
                    ("draining", count.draining),
                )
                if amount
            ]
            is_met = count.serving >= count.desired
            rows.add_row(
                service if number == 0 else "",
                version,
                Text(f"{count.serving}/{count.desired}", "green" if is_met else "yellow"),
                Text(", ".join(more), "dim"),
                str(report.routed.get(service, 0)) if number == 0 else "",
            )
    return rows


def _pools(report: Status) -> Table:
    rows = table("pool", "warm", "")
    for pool, count in report.pools.items():
        building = f"{count.building} building" if count.building else ""
        is_met = count.warm >= count.size
        rows.add_row(pool, Text(f"{count.warm}/{count.size}", "green" if is_met else "yellow"), Text(building, "dim"))
    return rows


def table(*columns: str) -> Table:
    """Give an empty table."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        is_prose = column == "why"
        made.add_column(column, no_wrap=not is_prose, min_width=_PROSE_WIDTH if is_prose else None)
    return made
