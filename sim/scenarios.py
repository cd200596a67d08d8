"""Scenario files: TOML -> a Scenario, with every mistake at once; those that come with hfs by name, others by path.

load("zone-loss")             one of them
load("./my.toml")             a file of one's own
scaled(scenario, servers=10)  the same story for another fleet
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hfs_appliance.config.keys import KeyPath
from hfs_appliance.config.mistakes import ConfigError, Finding
from hfs_appliance.config.positions import key_positions
from hfs_appliance.config.reading import read_shape
from hfs_appliance.config.source import no_text, parse, placed, read_text
from hfs_appliance.model.instants import HOUR, Duration
from hfs_appliance.ports.errors import UnknownName
from sim import shelf
from sim.faults import MENU
from sim.scenario import Beginning, Bounds, Chance, Fault, Follows, Layout, Repetition, Scenario, Shape, Traffic
from sim.scenario_shape import ChanceTable, FaultTable, ScenarioFile, TrafficTable


def load(name: str) -> Scenario:
    """Load a scenario by its name, or by the path of its file. Errors: UnknownName, ConfigError."""
    if "/" in name or name.endswith(shelf.SUFFIX):
        path = Path(name)
        return read(read_text(path), path.stem, file=name)
    known = shelf.names()
    if name not in known:
        raise UnknownName("scenario", name, next(iter(difflib.get_close_matches(name, known, n=1)), None))
    return read(shelf.text(name), name, file=f"{name}{shelf.SUFFIX}")


def read(source: str, name: str, *, file: str) -> Scenario:
    """Read a TOML text; `file` names it in mistakes. Errors: ConfigError."""
    try:
        document = parse(source, file)
        places = key_positions(source)
        reading = read_shape(document, ScenarioFile)
    except RecursionError as error:
        raise no_text(file, "arrays or tables are nested too deeply") from error
    findings = list(reading.findings) or list(_contradictions(reading.file))
    if findings:
        raise ConfigError(placed(finding, file, places) for finding in findings)
    return _to_scenario(reading.file, name)


def scaled(scenario: Scenario, *, servers: int | None = None, hours: float | None = None) -> Scenario:
    """Give the same story for another number of servers, or another length.

    The pool keeps its share, and of more servers so many more may be taken away, as an operator would have it.
    Where there are fewer than one service has, it has so much less traffic.
    """
    layout, lasts, traffic = scenario.layout, scenario.lasts, scenario.traffic
    if servers is not None:
        if servers < layout.per_service:
            base, peak = (rate * servers // layout.per_service for rate in (traffic.base, traffic.peak))
            traffic = replace(traffic, base=base, peak=peak)
        pool = -(-layout.pool * servers // max(1, layout.servers))
        destroys = layout.destroys
        if destroys is not None:
            destroys = max(destroys, destroys * servers // max(1, layout.servers))
        layout = replace(layout, servers=servers, pool=pool, destroys=destroys)
    if hours is not None:
        lasts = Duration(round(hours * HOUR))
    faults = tuple(fault for fault in scenario.faults if fault.at <= lasts)
    return replace(scenario, layout=layout, traffic=traffic, lasts=lasts, faults=faults)


def _to_scenario(file: ScenarioFile, name: str) -> Scenario:
    faults = [(_fault(table), table) for table in file.fault]
    return Scenario(
        name=name,
        words=file.words,
        lasts=file.lasts,
        begins=Beginning(file.begins),
        has_mischief=file.mischief,
        layout=Layout(**(dict(file.layout) | {"follows": Follows(file.layout.follows)})),
        traffic=_traffic(file.traffic),
        bounds=Bounds(**dict(file.bounds)),
        faults=tuple(sorted((fault for fault, table in faults if table.every is None), key=lambda fault: fault.at)),
        repetitions=tuple(
            Repetition(fault=fault, every=table.every, times=table.times, step=table.step)
            for fault, table in faults
            if table.every is not None
        ),
        chances=tuple(_chance(table) for table in file.chance),
    )


def _traffic(table: TrafficTable) -> Traffic:
    return Traffic(**(dict(table) | {"shape": Shape(table.shape), "trace": tuple(table.trace)}))


def _fault(table: FaultTable) -> Fault:
    lasts = table.lasts if table.lasts is not None else Duration(0)
    return Fault(kind=table.kind, at=table.at, lasts=lasts, target=table.target, amount=table.amount, phase=table.phase)


def _chance(table: ChanceTable) -> Chance:
    lasts, amount = table.lasts, table.amount
    return Chance(
        kind=table.kind,
        per_day=table.per_day,
        per_servers=table.per_servers,
        lasts=(lasts[0], lasts[1]) if lasts is not None else None,
        amount=(amount[0], amount[1]) if amount is not None else None,
    )


def _contradictions(file: ScenarioFile) -> Iterator[Finding]:
    yield from _contradictions_of_traffic(file.traffic)
    for number, fault in enumerate(file.fault):
        path: KeyPath = ("fault", number)
        does_last = MENU[fault.kind].spans is not None
        if fault.at > file.lasts:
            yield Finding(path=(*path, "at"), words="the story is over by then", hint="it ends after `lasts`")
        if does_last and fault.lasts is None:
            yield Finding(path=path, words=f"{fault.kind} lasts: for how long?", hint='write lasts = "5m"')
        if not does_last and fault.lasts is not None:
            yield Finding(path=(*path, "lasts"), words=f"{fault.kind} is over at once")
        for key in ("times", "step"):
            if fault.every is None and key in fault.model_fields_set:
                yield Finding(path=(*path, key), words="says nothing without `every`")
    for number, chance in enumerate(file.chance):
        path = ("chance", number)
        if MENU[chance.kind].spans is None and chance.lasts is not None:
            yield Finding(path=(*path, "lasts"), words=f"{chance.kind} is over at once")
        for key, pair in (("lasts", chance.lasts), ("amount", chance.amount)):
            if pair is not None and (len(pair) != 2 or pair[0] > pair[1]):
                yield Finding(path=(*path, key), words="must be two values", hint="the smaller one, then the greater")


def _contradictions_of_traffic(traffic: TrafficTable) -> Iterator[Finding]:
    if (traffic.shape == "trace") != any(traffic.trace):
        yield Finding(path=("traffic", "trace"), words='goes with shape = "trace", and needs requests in some minute')
    if traffic.shape in {"daily", "square", "ramp"} and traffic.peak < traffic.base:
        yield Finding(path=("traffic", "peak"), words="must not be less than `base`")
