"""The swarm: worlds, configurations, faults and their timing, drawn by seed.

Each run enables a random few of the menu's kinds (swarm testing: Groce and others, ISSTA 2012), because a run in which
everything may happen seldom lets any one thing unfold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hfs_appliance.model.instants import HOUR, MILLISECOND, MINUTE, Duration, seconds
from sim.faults import MENU, Kind
from sim.scenario import Beginning, Bounds, Fault, Layout, Scenario, Shape, Traffic
from sim.streams import Stream, Streams

KINDS_AT_ONCE: Final = (1, 5)
FAULTS: Final = (1, 10)
LONGEST: Final = Duration(90 * MINUTE)
SETTLE: Final = Duration(4 * HOUR)
"""The destruction budget lets three of at most forty servers go in ten minutes; pauses after failures take longer."""


def draw(seed: int, menu: Mapping[str, Kind] = MENU) -> Scenario:
    """Draw one scenario; equal seeds and menus give equal scenarios."""
    streams = Streams(seed)
    layout = _layout(streams.named("swarm/layout"))
    traffic = _traffic(streams.named("swarm/traffic"), layout.per_service)
    kinds = [name for name in sorted(menu) if menu[name].is_drawn and (traffic.is_any or not menu[name].needs_traffic)]
    lasts, faults = _faults(streams.named("swarm/faults"), kinds, menu)
    return Scenario(
        name=f"swarm-{seed}",
        words=f"drawn by seed {seed}: " + ", ".join(sorted({fault.kind for fault in faults})),
        lasts=lasts,
        begins=Beginning.NOTHING if streams.named("swarm/beginning").chance(250) else Beginning.STANDING,
        has_mischief=streams.named("swarm/mischief").chance(500),
        layout=layout,
        traffic=traffic,
        bounds=Bounds(settle=SETTLE),
        faults=faults,
    )


def _layout(stream: Stream) -> Layout:
    servers = stream.between(1, 40)
    return Layout(
        servers=servers,
        per_service=stream.between(1, 12),
        zones=stream.between(1, 4),
        pool=stream.between(0, 6),
        at_once=stream.choice((1, 3, 10, 50)),
        poll=seconds(stream.choice((1, 5, 10))),
        session_timeout=seconds(stream.choice((4, 6, 20))),
    )


def _traffic(stream: Stream, per_service: int) -> Traffic:
    """Draw traffic that leaves a service room for the loss of every second instance, or none."""
    if stream.chance(500):
        return Traffic()
    return Traffic(
        shape=stream.choice((Shape.STEADY, Shape.DAILY, Shape.SQUARE)),
        base=stream.between(1, 10 * per_service),
        peak=stream.between(10 * per_service, 30 * per_service),
        period=Duration(stream.between(10, 120) * MINUTE),
        retries=stream.choice((0, 0, 1, 3)),
    )


def _faults(stream: Stream, kinds: list[str], menu: Mapping[str, Kind]) -> tuple[Duration, tuple[Fault, ...]]:
    stream.shuffle(kinds)
    enabled = kinds[: stream.between(*KINDS_AT_ONCE)]
    lasts = stream.between(MINUTE, LONGEST) // MILLISECOND * MILLISECOND
    faults = [_fault(stream, menu[stream.choice(enabled)], lasts) for _ in range(stream.between(*FAULTS))]
    return Duration(lasts), tuple(sorted(faults, key=lambda fault: fault.at))


def _fault(stream: Stream, kind: Kind, within: int) -> Fault:
    """Draw one fault, whole milliseconds long and over by the end of the story."""
    at = stream.below(within) // MILLISECOND * MILLISECOND
    span = stream.between(*kind.spans) if kind.spans is not None else 0
    return Fault(
        kind=kind.name,
        at=Duration(at),
        lasts=Duration(min(span, within - at) // MILLISECOND * MILLISECOND),
        target=stream.below(1000),
        amount=stream.between(*kind.amounts),
    )
