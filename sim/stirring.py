"""Stirring: what a swarm does so that servers, or a rollout, come into the phase that its seed aims at.

A phase that is seldom met, or only for milliseconds, is brought about on purpose, and where a fault can hit only those
who really answer, wait warm or are being built, one of these is brought into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.instants import MILLISECOND, MINUTE, SECOND, Duration, seconds
from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout import RolloutPhase, Strategy
from sim.cells import ANSWERING
from sim.scenario import Aim, Fault
from sim.streams import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Stir:
    """One thing that is done."""

    kind: str
    lasts: Duration | None = None
    """None: as long as is drawn, a minute at least, if it is of a kind that lasts."""
    amount: int = 1
    phase: Aim | None = None
    """It waits for it in its turn."""
    later: Duration = Duration(SECOND)
    """It comes so long after the others have begun to wait."""
    whom: frozenset[str] = frozenset()
    """It is done for faults of these kinds only; empty: for all."""
    unless: frozenset[str] = frozenset()
    """It is not done for faults of these kinds."""


CUT_OFF: Final = seconds(12)
"""For so long agents are cut off as they are given roles, which they take within milliseconds else. No session ends."""
SILENCED: Final = Duration(2 * MINUTE)
"""Longer than any session, and the grace after it."""
FORGOTTEN: Final = Duration(13 * MINUTE)
"""Longer than a warm server may be away from the pool."""
UNHEARD: Final = seconds(30)
"""Longer than an instance has for leaving."""
MISSED: Final = seconds(40)
"""hfs asks again ten seconds after a deletion that was accepted, and forgotten."""
BOOTED: Final = seconds(75)
"""By then a server that was asked for is being built."""
ALL: Final = 1000
"""Per mille."""

_WARM: Final = frozenset({"pool-rots"})
_BUILT: Final = frozenset({"build-interrupted"})
_MORE: Final = Stir(kind="scale-out")

OF_SERVERS: Final[Mapping[Phase, tuple[Stir, ...]]] = {
    Phase.CREATING: (_MORE, Stir(kind="list-omits-zone", lasts=SILENCED, phase=Phase.BOOTING, whom=_BUILT)),
    Phase.BOOTING: (_MORE, Stir(kind="list-stale", lasts=SILENCED, amount=15_000, phase=Phase.BOOTING, whom=_BUILT)),
    Phase.CONFIGURING: (_MORE,),
    Phase.WARM: (_MORE,),
    Phase.ASSIGNED: (
        Stir(kind="servers-cut", lasts=CUT_OFF, amount=ALL),
        _MORE,
        # What they become in the meantime it hears late.
        Stir(kind="mcp-silent", lasts=seconds(25), phase=Phase.ASSIGNED, whom=ANSWERING),
    ),
    # With its session the server leaves the pool, though it has not heard of its role.
    Phase.WARMING: (Stir(kind="servers-cut", lasts=seconds(40), amount=ALL, whom=_WARM), _MORE),
    Phase.SERVING: (_MORE,),
    Phase.AMBIGUOUS: (Stir(kind="record-removed-by-hand", phase=Phase.SERVING),),
    Phase.SUSPECT: (
        Stir(kind="server-dies", phase=Phase.SERVING, unless=ANSWERING | _WARM),
        Stir(kind="servers-cut", lasts=SILENCED, phase=Phase.SERVING, whom=ANSWERING),
        Stir(kind="servers-cut", lasts=FORGOTTEN, phase=Phase.WARM, whom=_WARM),
    ),
    Phase.LOST: (
        Stir(kind="server-dies", phase=Phase.SERVING, unless=ANSWERING | _WARM | _BUILT),
        Stir(kind="servers-cut", lasts=SILENCED, phase=Phase.SERVING, whom=ANSWERING),
        Stir(kind="servers-cut", lasts=SILENCED, phase=Phase.WARM, whom=_WARM),
        Stir(kind="list-omits-zone", lasts=SILENCED, phase=Phase.SUSPECT, whom=ANSWERING),
        Stir(kind="scale-out", whom=_BUILT),
        Stir(kind="puppet-slow", lasts=Duration(10 * MINUTE), amount=20, whom=_BUILT),
        Stir(kind="list-omits-zone", lasts=SILENCED, phase=Phase.CONFIGURING, whom=_BUILT | _WARM),
    ),
    Phase.DRAINING: (Stir(kind="scale-in"),),
    Phase.DELETING: (
        # Who does not hear that he is to leave serves until his time is over.
        Stir(kind="servers-cut", lasts=UNHEARD, amount=ALL, whom=ANSWERING),
        Stir(kind="scale-in", unless=_WARM | _BUILT),
        Stir(kind="deletes-ignored", lasts=MISSED, amount=ALL, phase=Phase.DRAINING),
        # Without a pool, and not for long: what has been asked for by then is too many once it is built.
        Stir(kind="scale-out", lasts=seconds(20), amount=8, whom=_WARM),
        Stir(kind="scale-out", whom=_BUILT),
        Stir(kind="puppet-slow", lasts=Duration(20 * MINUTE), amount=50, whom=_BUILT),
    ),
}
"""By phase of servers; a count goes up, or down, and back when that is over."""

LONG: Final = frozenset({(Phase.DELETING, "build-interrupted"), (Phase.SUSPECT, "pool-rots")})
"""Cells that come about only in a quarter of an hour: a build, or a warm server, is given up after ten minutes."""
STANDING: Final = frozenset(
    {
        Phase.ASSIGNED,
        Phase.WARMING,
        Phase.AMBIGUOUS,
        Phase.SUSPECT,
        Phase.LOST,
        Phase.DRAINING,
        Phase.DELETING,
        *RolloutPhase,
    }
)
"""Phases that need a fleet from the beginning."""
SPARED: Final = frozenset({Phase.ASSIGNED, Phase.WARMING})
"""Phases that need warm servers."""
SPARING: Final = _WARM | _BUILT
"""Kinds that need a pool that a rollout does not empty: a small service beside a large pool."""
SWIFT: Final = frozenset({RolloutPhase.CUTOVER, RolloutPhase.CONTRACT})
"""Phases that a rollout comes to within a short story only if it waits for no server to be built."""
UNSPARED: Final = frozenset({(Phase.DELETING, "pool-rots")})
"""Cells that come about where there is no pool: a warm server is deleted when there are too many."""
PATIENT: Final = frozenset({Phase.ASSIGNED, Phase.DELETING})
"""Phases in which agents are cut off for longer than the shortest sessions last."""
PAIRED: Final = frozenset({Phase.DRAINING, Phase.DELETING, *RolloutPhase})
"""Phases that need two instances of a service: one alone neither leaves nor takes only a part of the requests."""

STRATEGIES: Final[Mapping[RolloutPhase, tuple[Strategy, ...]]] = {
    RolloutPhase.PREFLIGHT: (Strategy.CANARY, Strategy.ROLLING, Strategy.BLUE_GREEN),
    RolloutPhase.EXPAND: (Strategy.ROLLING, Strategy.BLUE_GREEN, Strategy.CANARY),
    # A blue-green one never comes to it.
    RolloutPhase.CANARY: (Strategy.CANARY, Strategy.ROLLING),
    # A canary takes ten minutes to come that far, and a rolling one builds servers on the way.
    RolloutPhase.CUTOVER: (Strategy.BLUE_GREEN,),
    # Of a rolling one the soak is over at once.
    RolloutPhase.SOAK: (Strategy.BLUE_GREEN,),
    # A blue-green one comes to it only after its soak.
    RolloutPhase.CONTRACT: (Strategy.ROLLING,),
    RolloutPhase.ABORT: (Strategy.BLUE_GREEN, Strategy.CANARY),
}
"""By which strategies a rollout comes into a phase within minutes; seeds take them in turns."""


def _of_rollout(phase: RolloutPhase, strategy: Strategy, kinds: Sequence[str]) -> Iterator[Stir]:
    """Give what brings a rollout of a good version about."""
    if phase is RolloutPhase.ABORT:
        yield Stir(kind="upgrade-rolled-back", phase=RolloutPhase.EXPAND)
    later = Duration(SECOND)
    if not _BUILT.isdisjoint(kinds):
        yield Stir(kind="puppet-slow", lasts=Duration(10 * MINUTE), amount=20)
        yield Stir(kind="scale-out", lasts=Duration(10 * MINUTE))
        later = BOOTED
    if strategy is Strategy.CANARY:
        yield Stir(kind="canary-good", later=later)
    else:
        yield Stir(kind="upgrade-good", amount=int(strategy is Strategy.ROLLING), later=later)


def stirs(phase: Aim, strategy: Strategy | None, kinds: Sequence[str]) -> Iterator[Stir]:
    """Give what is to be done for faults of some kinds to meet a phase."""
    if isinstance(phase, RolloutPhase):
        assert strategy is not None
        yield from _of_rollout(phase, strategy, kinds)
        return
    for stir in OF_SERVERS[phase]:
        if stir.unless.isdisjoint(kinds) and not (stir.whom and stir.whom.isdisjoint(kinds)):
            yield stir


def stirred(stream: Stream, stir: Stir, at: Duration, within: int, *, can_last: bool, target: int) -> Fault:
    """Draw the fault that a stir is."""
    lasts = 0
    if can_last:
        lasts = stir.lasts if stir.lasts is not None else stream.between(MINUTE, within // 3)
    return Fault(
        kind=stir.kind,
        at=at,
        lasts=Duration(min(lasts, within - at) // MILLISECOND * MILLISECOND),
        target=target,
        amount=stir.amount,
        phase=stir.phase,
    )
