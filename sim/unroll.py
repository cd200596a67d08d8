"""Unrolling: repetitions and chances of a scenario written out as single faults, as they are played and shrunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hfs_appliance.model.instants import DAY, MILLISECOND, Duration
from sim.faults import MENU
from sim.scenario import Chance, Fault, Repetition, Scenario
from sim.streams import Stream, Streams

TARGETS = 1_000_000
"""Targets are drawn below this; they are taken modulo what lives."""


def unrolled(scenario: Scenario, seed: int) -> Scenario:
    """Give the same story with every fault written out. Pure: equal scenarios and seeds give equal faults."""
    faults = list(scenario.faults)
    for repetition in scenario.repetitions:
        faults += _repeated(repetition, scenario.lasts)
    for number, chance in enumerate(scenario.chances):
        # A stream for each, so that a change of one leaves the others where they are.
        faults += _drawn(chance, scenario, Streams(seed).named(f"chance/{number}/{chance.kind}"))
    ordered = tuple(sorted(faults, key=lambda fault: fault.at))
    return replace(scenario, faults=ordered, repetitions=(), chances=())


def _repeated(repetition: Repetition, until: Duration) -> Iterator[Fault]:
    first, number = repetition.fault, 0
    while repetition.times is None or number < repetition.times:
        at = Duration(first.at + number * repetition.every)
        if at >= until:
            return
        yield replace(first, at=at, target=first.target + number * repetition.step)
        number += 1


def _drawn(chance: Chance, scenario: Scenario, stream: Stream) -> Iterator[Fault]:
    kind = MENU[chance.kind]
    lasts = chance.lasts or kind.spans or (Duration(0), Duration(0))
    size, unit = (scenario.layout.servers, chance.per_servers) if chance.per_servers is not None else (1, 1)
    whole, rest = divmod(chance.per_day * scenario.lasts * size, DAY * unit)
    for _ in range(whole + (stream.below(DAY * unit) < rest)):
        yield Fault(
            kind=chance.kind,
            at=Duration(stream.below(scenario.lasts) // MILLISECOND * MILLISECOND),
            lasts=Duration(stream.between(*lasts) // MILLISECOND * MILLISECOND),
            target=stream.below(TARGETS),
            amount=stream.between(*(chance.amount or kind.amounts)),
        )
