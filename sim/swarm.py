"""The swarm: worlds, configurations, faults and their timing, drawn by seed.

Each run enables a random few of the menu's kinds (swarm testing: Groce and others, ISSTA 2012), because a run in which
everything may happen seldom lets any one thing unfold. Most worlds are small and most stories short: many different
ones find more than a few long ones. Each seed also takes the next few cells of the matrix of faults and phases, so that
seeds in a row have tried all of them: most seeds those of servers, every third one those of rollouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from hfs_appliance.model.instants import HOUR, MILLISECOND, MINUTE, SECOND, Duration, seconds
from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout import RolloutPhase
from sim.believed import OF_ROLLOUTS, OF_SERVERS
from sim.cells import is_possible
from sim.faults import MENU, Kind
from sim.scenario import Aim, Beginning, Bounds, Fault, Layout, Scenario, Shape, Traffic
from sim.streams import Stream, Streams

KINDS_AT_ONCE: Final = (1, 5)
FAULTS: Final = (1, 8)
AIMED: Final = 6
"""Cells of the matrix that each seed tries."""
TURNS: Final = 3
"""One of so many seeds tries cells of rollouts, the others those of servers."""
LENGTHS: Final = ((700, (4, 8)), (240, (8, 20)), (60, (20, 90)))
"""Per mille of the stories, and how many minutes they last."""
SIZES: Final = ((750, (1, 8)), (200, (9, 24)), (50, (25, 80)))
"""Per mille of the worlds, and how many instances they have."""
SETTLE: Final = Duration(4 * HOUR)
"""The destruction budget lets three of at most forty servers go in ten minutes; pauses after failures take longer."""

BALANCED: Final = 100
"""Per mille of the worlds that have a load balancer though nothing is aimed at it."""
LEAST_TRAFFIC: Final = 10
"""Requests a second: of a twentieth of less a canary could not be judged in hours, and it would wait for a person."""

STAYS: Final = (Duration(3 * MINUTE), Duration(3 * MINUTE), Duration(3 * MINUTE), Duration(10 * MINUTE))
"""Three resyncs of the registry, or ten."""

STIRS: Final[Mapping[str, frozenset[Aim]]] = {
    "server-dies": frozenset({Phase.SUSPECT, Phase.LOST}),
    "record-removed-by-hand": frozenset({Phase.AMBIGUOUS}),
    "scale-out": frozenset(OF_SERVERS) - {Phase.SUSPECT, Phase.LOST, Phase.AMBIGUOUS},
    "upgrade-good": frozenset(OF_ROLLOUTS),
    "upgrade-rolled-back": frozenset({RolloutPhase.ABORT}),
}
"""What brings servers or rollouts into a phase; a count goes up, and down again when that is over."""
CUT_OFF: Final = seconds(3)
"""For so long agents are cut off as they are given roles, which they take within milliseconds else. No session ends."""
STEP_BY_STEP: Final = frozenset({RolloutPhase.CANARY, RolloutPhase.CONTRACT})
"""Phases that a rolling upgrade comes to, a blue-green one never or not for minutes."""


def draw(seed: int, menu: Mapping[str, Kind] = MENU) -> Scenario:
    """Draw one scenario; equal seeds and menus give equal scenarios."""
    streams = Streams(seed)
    cells = _cells(seed, menu)
    is_rollout = any(phase in OF_ROLLOUTS for _, phase in cells)
    layout = _layout(streams.named("swarm/layout"), least=2 if is_rollout else 1)
    is_aimed = any(menu[kind].needs_balancer for kind, _ in cells)
    layout = replace(layout, balancer=is_aimed or streams.named("swarm/balancer").chance(BALANCED))
    has_clients = any(menu[kind].needs_traffic for kind, _ in cells)
    smallest = layout.servers % layout.per_service or layout.per_service
    traffic = _traffic(streams.named("swarm/traffic"), smallest, is_certain=has_clients)
    kinds = [
        name
        for name in sorted(menu)
        if menu[name].is_drawn
        and (traffic.is_any or not menu[name].needs_traffic)
        and (layout.balancer or not menu[name].needs_balancer)
    ]
    lasts = _length(streams.named("swarm/length"))
    begins_empty = (
        streams.named("swarm/beginning").chance(250) and not is_rollout
    )  # which needs a version to go over from
    faults = [
        # A rollout gets somewhere before anything happens beside it.
        *_faults(streams.named("swarm/faults"), kinds, menu, lasts // 3 if is_rollout else 0, lasts),
        *_aimed(streams.named("swarm/aimed"), cells, menu, lasts),
    ]
    return Scenario(
        name=f"swarm-{seed}",
        words=f"drawn by seed {seed}: " + ", ".join(sorted({fault.kind for fault in faults})),
        lasts=lasts,
        begins=Beginning.NOTHING if begins_empty else Beginning.STANDING,
        has_mischief=streams.named("swarm/mischief").chance(500),
        layout=layout,
        traffic=traffic,
        bounds=Bounds(settle=SETTLE, stays=streams.named("swarm/stays").choice(STAYS)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
    )


def _layout(stream: Stream, least: int) -> Layout:
    """Draw a layout; its first service has at least so many instances."""
    return Layout(
        servers=max(least, stream.between(*_share(stream, SIZES))),
        per_service=max(least, stream.between(1, 12)),
        zones=stream.between(1, 4),
        pool=stream.between(0, 6),
        at_once=stream.choice((1, 3, 10, 50)),
        poll=seconds(stream.choice((1, 5, 5, 5, 10, 10, 10, 10))),
        session_timeout=seconds(stream.choice((4, 6, 20))),
    )


def _length(stream: Stream) -> Duration:
    shortest, longest = _share(stream, LENGTHS)
    return Duration(stream.between(shortest * MINUTE, longest * MINUTE) // MILLISECOND * MILLISECOND)


def _share(stream: Stream, shares: Sequence[tuple[int, tuple[int, int]]]) -> tuple[int, int]:
    """Draw one of several ranges, each with its share per mille."""
    at = stream.below(1000)
    for share, values in shares:
        if at < share:
            return values
        at -= share
    raise AssertionError("the shares are not a thousand")


def _traffic(stream: Stream, smallest: int, *, is_certain: bool) -> Traffic:
    """Draw traffic that leaves the smallest service room for the loss of every second instance, or none."""
    if stream.chance(600) and not is_certain:
        return Traffic()
    return Traffic(
        shape=stream.choice((Shape.STEADY, Shape.DAILY, Shape.SQUARE)),
        base=max(LEAST_TRAFFIC, stream.between(1, 10 * smallest)),
        peak=stream.between(10 * smallest, 30 * smallest),
        period=Duration(stream.between(10, 120) * MINUTE),
        retries=stream.choice((0, 0, 1, 3)),
    )


def _faults(stream: Stream, kinds: list[str], menu: Mapping[str, Kind], first: int, within: int) -> Iterator[Fault]:
    stream.shuffle(kinds)
    enabled = kinds[: stream.between(*KINDS_AT_ONCE)]
    for _ in range(stream.between(*FAULTS)):
        yield _fault(stream, menu[stream.choice(enabled)], first + stream.below(within - first), within)


def _cells(seed: int, menu: Mapping[str, Kind]) -> Sequence[tuple[str, Aim]]:
    """Give the cells of the matrix that are this seed's turn.

    They share their phase: all strike as it begins, and none keeps hfs from ever getting there for the others.
    """
    turn, part = divmod(seed, TURNS)
    names = [name for name in sorted(menu) if menu[name].is_drawn]
    stream = Streams(0).named("swarm/cells")
    stream.shuffle(names)
    is_rollout = part == TURNS - 1
    rows = [
        row
        for at in range(0, len(names), AIMED)
        for phase in (OF_ROLLOUTS if is_rollout else OF_SERVERS)
        if (row := [(name, phase) for name in names[at : at + AIMED] if is_possible(name, phase)])
    ]
    stream.shuffle(rows)
    number = turn if is_rollout else turn * (TURNS - 1) + part
    return rows[number % len(rows)]


def _aimed(stream: Stream, cells: Sequence[tuple[str, Aim]], menu: Mapping[str, Kind], within: int) -> Iterator[Fault]:
    """Aim a fault at a phase for each of the cells, and stir up what brings servers or a rollout into it."""
    sought = {phase for _, phase in cells}
    is_rollout = sought <= set(OF_ROLLOUTS)
    begins = stream.below(within // (12 if is_rollout else 3))
    stirred = Duration((begins + SECOND) // MILLISECOND * MILLISECOND)
    if Phase.ASSIGNED in sought and "servers-cut" in menu:
        yield Fault(kind="servers-cut", at=stirred, lasts=CUT_OFF, amount=1000)
    for stir, phases in STIRS.items():
        if stir in menu and not sought.isdisjoint(phases):
            lasts = stream.between(MINUTE, within // 3) if menu[stir].spans is not None else 0
            yield Fault(
                kind=stir,
                at=stirred,
                lasts=Duration(lasts // MILLISECOND * MILLISECOND),
                # The first service, which no other one exceeds.
                target=0 if is_rollout else stream.below(1000),
                amount=0 if is_rollout and sought.isdisjoint(STEP_BY_STEP) else 1,
                phase=RolloutPhase.EXPAND if stir == "upgrade-rolled-back" else None,
            )
    for kind, phase in cells:
        yield _fault(stream, menu[kind], begins, within, phase)


def _fault(stream: Stream, kind: Kind, at: int, within: int, phase: Aim | None = None) -> Fault:
    """Draw one fault, whole milliseconds long, and over by the end of the story unless it has to wait for a phase."""
    at = at // MILLISECOND * MILLISECOND
    span = stream.between(*kind.spans) if kind.spans is not None else 0
    return Fault(
        kind=kind.name,
        at=Duration(at),
        lasts=Duration(min(span, within - at) // MILLISECOND * MILLISECOND),
        target=stream.below(1000),
        amount=stream.between(*kind.amounts),
        phase=phase,
    )
