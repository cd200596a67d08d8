"""How fast what faults hurt is noticed and made good, by kind of fault, in truth."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.plan import Phase
from sim.census import Census
from sim.entries import DesiredStored
from sim.folds import Fold
from sim.gaps import Gaps
from sim.metrics.histogram import histogram
from sim.outcome import Histogram, Spread
from sim.truth import HEALTHY, ConditionChanged, Fact, FaultBegun

_NOTICED: Final = frozenset({Phase.SUSPECT.value, Phase.LOST.value, Phase.DELETING.value, Phase.GONE.value})


class Lacks(Fold):
    """The gaps of all services, whatever they came from: what `bounds.repair` is about."""

    sees = Gaps.SEES

    def __init__(self, census: Census) -> None:
        self._spans: list[int] = []
        self._gaps = Gaps(census, lambda _, lasted: self._spans.append(lasted))

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow the gaps."""
        self._gaps.see(now, fact)

    def finish(self, now: Instant) -> None:
        """Count what is open still as lasting until now."""
        self._gaps.finish(now)

    def spread(self) -> Spread:
        """Give how long they were, in seconds."""
        return Spread.of(self._spans, unit=SECOND)


class Recovery(Fold):
    """From a fault's beginning: victims until the control plane has noticed, services until they are whole again."""

    hears = (PhaseChanged,)
    sees = (FaultBegun, ConditionChanged, DesiredStored)

    def __init__(self, census: Census) -> None:
        self._census = census
        self._unnoticed: dict[ServerId, tuple[str, Instant]] = {}
        self._broken: dict[ServiceName, list[tuple[str, Instant]]] = {}
        self._detect: dict[str, list[int]] = {}
        self._repair: dict[str, list[int]] = {}

    def hear(self, recorded: Recorded) -> None:
        """Note what the control plane has noticed."""
        event = recorded.event
        assert isinstance(event, PhaseChanged)
        if event.server in self._unnoticed and event.phase in _NOTICED:
            kind, since = self._unnoticed.pop(event.server)
            self._detect.setdefault(kind, []).append(recorded.at - since)

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow victims and their services."""
        match fact:
            case FaultBegun():
                for victim in fact.victims or ():
                    self._strike(now, fact.kind, victim)
            case ConditionChanged():
                if fact.after in HEALTHY:
                    self._unnoticed.pop(fact.server, None)  # it has come back before anybody had to notice
                    if fact.service is not None:
                        self._look(now, fact.service)
            case _:
                for name in list(self._broken):
                    self._look(now, name)

    def finish(self, now: Instant) -> None:
        """Count what is not whole yet as lasting until now."""
        for name in list(self._broken):
            self._close(now, name)

    def spreads(self) -> tuple[dict[str, Spread], dict[str, Spread]]:
        """Give the times to repair and to detect, in seconds."""
        return _spreads(self._repair), _spreads(self._detect)

    def histogram(self) -> Histogram:
        """Give the times to repair of all kinds in buckets of seconds."""
        return histogram((value for values in self._repair.values() for value in values), SECOND)

    def _strike(self, now: Instant, kind: str, victim: ServerId) -> None:
        machine = self._census.machines.get(victim) or self._census.gone.get(victim)
        if machine is None or (machine.condition in HEALTHY and victim in self._census.machines):
            return  # whatever it suffers from, it does its work
        self._unnoticed.setdefault(victim, (kind, now))
        if machine.key is not None:
            name = machine.key[0]
            service = self._census.service(name)
            if service.serving < service.desired:
                self._broken.setdefault(name, []).append((kind, now))

    def _look(self, now: Instant, name: ServiceName) -> None:
        service = self._census.service(name)
        if name in self._broken and service.serving >= service.desired:
            self._close(now, name)

    def _close(self, now: Instant, name: ServiceName) -> None:
        for kind, since in self._broken.pop(name):
            self._repair.setdefault(kind, []).append(now - since)


def _spreads(values: dict[str, list[int]]) -> dict[str, Spread]:
    return {kind: Spread.of(spans, unit=SECOND) for kind, spans in sorted(values.items())}
