"""The probe observer: asks those whose fate hangs on a second witness. It never decides and never acts.

The plan names instances (`Plan.to_probe`): those that lost their registration, a handful as a rule and a whole fleet in
a storm. So the rounds are bounded by AT_ONCE, and a round that takes longer than the pace just takes longer. Proxies
behind a load balancer are named by their places, in an observer of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

import trio

from hfs_appliance.model.instants import after, between, seconds, to_seconds
from hfs_appliance.model.maps import differing
from hfs_appliance.model.probes import Probe, Pulse, Target
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.probe import Prober
from hfs_appliance.runtime.dirty import Dirty

K = TypeVar("K", bound=str)

PROBE_EVERY: Final = seconds(3)
PROBE_WITHIN: Final = seconds(2)
AT_ONCE: Final = 64


class ProbeObserver(Generic[K]):
    """What was answered to probes, by those that somebody wants to know about."""

    def __init__(self, prober: Prober, *, clock: Clock, dirty: Dirty) -> None:
        self._prober = prober
        self._clock = clock
        self._dirty = dirty
        self._wanted: Mapping[K, Target] = {}
        self._is_asked = Dirty()
        self._targets: dict[K, Target] = {}
        """Where the probes that are kept were sent to."""
        self.probes: Mapping[K, Probe] = {}
        """What was found; without those about whom nobody asks any more."""

    def want(self, targets: Mapping[K, Target]) -> None:
        """Say whom to ask from now on."""
        changed = differing(self._wanted, targets)
        self._wanted = targets
        if any(server in targets and server not in self._targets for server in changed):
            self._is_asked.mark()

    async def run(self) -> None:
        """Ask round by round while there is somebody to ask, until cancelled."""
        while True:
            while not self._wanted and not self._targets:
                await self._is_asked.wait()
            began = self._clock.now()
            await self._round()
            pause = between(self._clock.now(), after(began, PROBE_EVERY))
            with trio.move_on_after(max(0, to_seconds(pause))):  # a round over thousands takes longer than the pace
                while self._wanted.keys() <= self._targets.keys():
                    await self._is_asked.wait()

    async def _round(self) -> None:
        targets = dict(self._wanted)
        found: dict[K, Probe] = {}
        waiting = iter(sorted(targets.items()))

        async def ask_in_turn() -> None:
            for server, target in waiting:
                found[server] = await self._ask(server, target)

        async with trio.open_nursery() as nursery:
            for _ in range(min(AT_ONCE, len(targets))):
                nursery.start_soon(ask_in_turn)
        self._targets = targets
        self.probes = found
        self._dirty.mark()

    async def _ask(self, server: K, target: Target) -> Probe:
        asked_at = self._clock.now()
        answer = await self._prober.probe(target, within=PROBE_WITHIN)
        # What another address answered says nothing about this one.
        before = self.probes.get(server) if self._targets.get(server) == target else None
        return Probe(
            answer=answer,
            at=asked_at,
            failures=_in_a_row(answer.pulse is not Pulse.ALIVE, before.failures if before is not None else 0),
            darks=_in_a_row(answer.pulse is Pulse.DARK, before.darks if before is not None else 0),
        )


def _in_a_row(is_one: bool, before: int) -> int:  # noqa: FBT001  # what it is about
    return before + 1 if is_one else 0
