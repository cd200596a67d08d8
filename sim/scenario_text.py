"""A scenario as the text of its file: what the shrinker leaves of a failing run joins the regression set this way.

Only what differs from the defaults is written; `read` (sim/scenarios.py) gives the same scenario back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields

from hfs_appliance.config import durations
from hfs_appliance.model.instants import Duration
from sim.scenario import Beginning, Bounds, Fault, Layout, Scenario, Traffic

_TIMES = frozenset(
    {
        *("lasts", "poll", "session_timeout", "build", "at"),
        *("settle", "stays", "repair", "period", "apart", "latency", "patience"),
    }
)
"""Keys whose values are durations."""


def write(scenario: Scenario, *, comment: str = "") -> str:
    """Write an unrolled scenario as TOML; `comment` is what stands above it."""
    assert not scenario.repetitions
    assert not scenario.chances
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [
        f"words = {json.dumps(scenario.words, ensure_ascii=False)}",
        f'lasts = "{durations.write(scenario.lasts)}"',
    ]
    if scenario.begins is not Beginning.STANDING:
        lines.append(f'begins = "{scenario.begins}"')
    if scenario.has_mischief:
        lines.append("mischief = true")
    tables = (("layout", scenario.layout), ("traffic", scenario.traffic), ("bounds", scenario.bounds))
    for name, table in tables:
        keys = list(_differences(table))
        lines += ["", f"[{name}]", *keys] if keys else []
    for fault in scenario.faults:
        lines += ["", "[[fault]]", f'kind = "{fault.kind}"', f'at = "{durations.write(fault.at)}"']
        lines += (key for key in _differences(fault) if not key.startswith(("kind ", "at ")))
    return "\n".join(lines) + "\n"


def _differences(table: Layout | Traffic | Bounds | Fault) -> Iterator[str]:
    for field in fields(table):
        value = getattr(table, field.name)
        if value != field.default:
            written = durations.write(Duration(value)) if field.name in _TIMES else value
            yield f"{field.name} = {json.dumps(written)}"
