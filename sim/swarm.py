"""The swarm: worlds, configurations, faults and their timing, drawn by seed.

Each run enables a random few of the menu's kinds (swarm testing: Groce and others, ISSTA 2012), because a run in which
everything may happen seldom lets any one thing unfold. Most worlds are small and most stories short: many different
ones find more than a few long ones. Each seed also takes the next few cells of the matrix of faults and phases, so that
seeds in a row have tried all of them: most seeds those of servers, every third one those of rollouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hfs_appliance.model.instants import HOUR, MILLISECOND, MINUTE, Duration, seconds
from hfs_appliance.model.rollout import RolloutPhase, Strategy
from sim.believed import OF_ROLLOUTS, OF_SERVERS
from sim.cells import ANSWERING, is_possible
from sim.faults import MENU, Kind
from sim.scenario import Aim, Beginning, Bounds, Fault, Layout, Scenario, Shape, Traffic
from sim.stirring import LONG, PAIRED, PATIENT, SPARED, SPARING, STANDING, STRATEGIES, SWIFT, UNSPARED, stirred, stirs
from sim.streams import Stream, Streams

KINDS_AT_ONCE: Final = (1, 5)
FAULTS: Final = (1, 8)
AIMED: Final = 8
"""Cells of the matrix that each seed tries."""
TURNS: Final = 3
"""One of so many seeds tries cells of rollouts, the others those of servers."""
LENGTHS: Final = ((700, (4, 8)), (240, (8, 20)), (60, (20, 90)))
"""Per mille of the stories, and how many minutes they last."""
SIZES: Final = ((750, (1, 8)), (200, (9, 24)), (50, (25, 80)))
"""Per mille of the worlds, and how many instances they have."""
LARGEST_POOL: Final = 6
SMALL: Final = 4
"""Instances of a service that can be upgraded from that pool, and more."""
SETTLE: Final = Duration(4 * HOUR)
"""The destruction budget lets three of at most forty servers go in ten minutes; pauses after failures take longer."""

BALANCED: Final = 100
"""Per mille of the worlds that have a load balancer though nothing is aimed at it."""
LEAST_TRAFFIC: Final = 10
"""Requests a second: of a twentieth of less a canary could not be judged in hours, and it would wait for a person."""

STAYS: Final = (Duration(3 * MINUTE), Duration(3 * MINUTE), Duration(3 * MINUTE), Duration(10 * MINUTE))
"""Three resyncs of the registry, or ten."""

SOON: Final = 8
"""What a seed aims at begins within this part of its story, so that there is time for it to come about."""
AT_LEAST: Final = Duration(15 * MINUTE)
"""So long a story lasts whose cells need it."""
LATER: Final = 4
"""Whatever else it draws begins after this part."""

ALONE: Final = (
    *sorted(ANSWERING),
    *("build-interrupted", "pool-rots", "agents-crash", "server-killed", "server-reboots", "server-dark", "host-dark"),
    *("rack-dark", "zone-dark", "zone-dies", "rack-dies", "server-dies", "server-vanishes", "record-removed-by-hand"),
)
"""Kinds that are dealt out to different seeds: they hit only some of those in a phase, or leave nobody in it to hit."""


def draw(seed: int, menu: Mapping[str, Kind] = MENU) -> Scenario:
    """Draw one scenario; equal seeds and menus give equal scenarios."""
    streams = Streams(seed)
    aims = aims_of(seed, menu)
    phase, is_rollout = aims.phase, isinstance(aims.phase, RolloutPhase)
    layout = _layout(streams.named("swarm/layout"), aims)
    is_balanced = any(menu[kind].needs_balancer for kind in aims.kinds)
    layout = replace(layout, balancer=is_balanced or streams.named("swarm/balancer").chance(BALANCED))
    has_clients = any(menu[kind].needs_traffic for kind in aims.kinds) or aims.strategy is Strategy.CANARY
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
    if any((phase, kind) in LONG for kind in aims.kinds):
        lasts = max(lasts, AT_LEAST)
    begins_empty = streams.named("swarm/beginning").chance(250) and phase not in STANDING
    first = lasts // (TURNS if is_rollout else LATER)
    faults = [
        # What is aimed at gets somewhere before anything happens beside it.
        *_faults(streams.named("swarm/faults"), kinds, menu, first, lasts),
        *_aimed(streams.named("swarm/aimed"), aims, menu, lasts),
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


def _layout(stream: Stream, aims: Aims) -> Layout:
    """Draw a layout that what is aimed at can come about in."""
    least, is_spared = 2 if aims.phase in PAIRED else 1, aims.phase in SPARED
    layout = Layout(
        servers=max(least, stream.between(*_share(stream, SIZES))),
        per_service=max(least, stream.between(1, 12)),
        zones=stream.between(1, 4),
        pool=max(2 if is_spared else 0, stream.between(0, LARGEST_POOL)),
        at_once=stream.choice((1, 3, 10, 50)),
        poll=seconds(stream.choice((1, 5, 5, 5, 10, 10, 10, 10))),
        session_timeout=seconds(stream.choice((4, 6, 20) if aims.phase not in PATIENT else (20,))),
    )
    if any((aims.phase, kind) in UNSPARED for kind in aims.kinds):
        return replace(layout, pool=0)
    if aims.strategy is not None and (aims.phase in SWIFT or not SPARING.isdisjoint(aims.kinds)):
        return replace(layout, pool=LARGEST_POOL, per_service=min(layout.per_service, SMALL))
    return layout


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """The cells of the matrix that are a seed's turn.

    They share their phase: all strike as it begins, and none keeps hfs from ever getting there for the others.
    """

    phase: Aim
    kinds: Sequence[str]
    strategy: Strategy | None
    """Of the rollout that they meet."""


def aims_of(seed: int, menu: Mapping[str, Kind] = MENU) -> Aims:
    """Give what is this seed's turn: seeds in a row try all cells, in rounds."""
    turn, part = divmod(seed, TURNS)
    is_rollout = part == TURNS - 1
    number = turn if is_rollout else turn * (TURNS - 1) + part
    phases: Sequence[Aim] = OF_ROLLOUTS if is_rollout else OF_SERVERS
    hands = -(-sum(kind.is_drawn for kind in menu.values()) // AIMED)
    round_, place = divmod(number, hands * len(phases))
    # Each round deals the kinds out anew: they meet their phases in other company.
    stream = Streams(round_).named("swarm/cells")
    names = [name for name in sorted(menu) if menu[name].is_drawn]
    stream.shuffle(names)
    names.sort(key=lambda name: ALONE.index(name) if name in ALONE else len(ALONE))
    places = [(hand, phase) for hand in range(hands) for phase in phases]
    stream.shuffle(places)
    hand, phase = places[place]
    kinds = [name for name in names[hand::hands] if is_possible(name, phase)]
    # Those that need somebody to hit come first, the gentle ones before those that end him.
    kinds.sort(key=lambda name: (menu[name].hits is None, ALONE.index(name) if name in ALONE else -1))
    strategies = STRATEGIES[phase] if isinstance(phase, RolloutPhase) else ()
    strategy = strategies[(hand + round_) % len(strategies)] if strategies else None
    return Aims(phase=phase, kinds=kinds, strategy=strategy)


def _aimed(stream: Stream, aims: Aims, menu: Mapping[str, Kind], within: int) -> Iterator[Fault]:
    """Aim a fault at the phase for each of the kinds, and stir up what brings servers or a rollout into it."""
    begins = stream.below(within // (12 if aims.strategy is not None else SOON)) // MILLISECOND * MILLISECOND
    for stir in stirs(aims.phase, aims.strategy, aims.kinds):
        if stir.kind in menu:
            # What waits for its turn does so before those that it is done for.
            at = Duration(begins if stir.phase is not None else begins + stir.later)
            # The first service is that of a rollout, or of a count that goes down: no other one exceeds it.
            target = 0 if aims.phase in PAIRED else stream.below(1000)
            yield stirred(stream, stir, at, within, can_last=menu[stir.kind].spans is not None, target=target)
    for kind in aims.kinds:
        yield _fault(stream, menu[kind], begins, within, aims.phase)


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
