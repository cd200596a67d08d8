"""Needs: how each service stands, and which of its versions lack instances or have too many; kept from plan to plan.

A dark zone keeps every service from being as wanted for hours, and each plan gives a server or a token to one of them.
What the others lack stays as it was counted: a plan costs no look at all of them.

The rule to keep: what is counted here rests on the desired service and on its own groups in the tally, and on nothing
else. What else a plan must know of a shortage (setbacks, storms, warm servers) is asked when it is met.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from hfs_appliance.mcp.slots import choose, to_replace
from hfs_appliance.mcp.tally import InstanceTally, Standing, Tally
from hfs_appliance.model.desired import Service
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.maps import Map, differing
from hfs_appliance.model.plan import VersionCount


class Shortage(NamedTuple):
    """A version that lacks instances."""

    service: Service
    version: Version
    wanted: int
    have: InstanceTally
    short: int
    replacing: int
    """Those of its own that are lost or missing: so many of the new ones come in the place of others."""

    @property
    def replaces(self) -> int:
        """How many of those that are short do."""
        return min(self.short, self.replacing)


class Excess(NamedTuple):
    """A version that has too many instances."""

    name: ServiceName
    service: Service | None
    """None: it is not desired."""
    version: Version
    have: InstanceTally
    leaving: Sequence[Standing]
    """Who is to go, in this order."""
    servers: Set[ServerId]
    """The same, to be looked up."""


class Needs:
    """What was counted of the services of the last World."""

    def __init__(self) -> None:
        self.services: Mapping[ServiceName, Service] = {}
        """Those that were desired then."""
        self.counts: Map[ServiceName, Mapping[Version, VersionCount]] = Map()
        self.restless: set[ServiceName] = set()
        """Services with anything to see to; with all others nothing is to be done."""
        self.short: Counter[PoolName] = Counter()
        """Instances that versions are short of, by pool."""
        self.replacing: Counter[PoolName] = Counter()
        """Those of them that come in the place of others."""
        self._shortages: dict[ServiceName, list[Shortage]] = {}
        self._excesses: dict[ServiceName, list[Excess]] = {}

    def shortages(self) -> Iterator[Shortage]:
        """Give the versions that lack instances, by service and version."""
        for name in sorted(self._shortages):
            yield from self._shortages[name]

    @property
    def has_excess(self) -> bool:
        """Tell whether anything is too many."""
        return bool(self._excesses)

    def excesses(self) -> Iterator[Excess]:
        """Give the versions that have too many instances, by service and version."""
        for name in sorted(self._excesses):
            yield from self._excesses[name]

    def look(self, services: Mapping[ServiceName, Service], tally: Tally, stirred: Set[ServiceName] | None) -> None:
        """Count anew: the services whose instances have changed (None: all), and those that are desired otherwise."""
        if stirred is None:
            touched: Set[ServiceName] = {*services, *tally.instances, *self.counts}
        else:
            touched = stirred | differing(self.services, services)
        changes: dict[ServiceName, Mapping[Version, VersionCount] | None] = {}
        for name in touched:
            changes[name] = self._count(services.get(name), tally, name)
        self.counts = self.counts.updated(changes)
        self.services = services

    def _count(self, service: Service | None, tally: Tally, name: ServiceName) -> Mapping[Version, VersionCount] | None:
        """Count the instances of one service, by version; None when it is neither desired nor there."""
        self.restless.discard(name)
        self._sum(self._shortages.pop(name, ()), -1)
        self._excesses.pop(name, None)
        there = tally.instances.get(name, {})
        if service is None and not there:
            return None
        wanted = service.versions if service is not None else {}
        counts = {
            version: tally.of(name, version).count(wanted.get(version, 0)) for version in sorted({*wanted, *there})
        }
        if not all(_is_met(count) for count in counts.values()) or any(map(to_replace, there.values())):
            self.restless.add(name)
            if shortages := list(_shortages(service, tally)):
                self._shortages[name] = shortages
                self._sum(shortages, 1)
            if excesses := list(_excesses(name, service, tally)):
                self._excesses[name] = excesses
        before = self.counts.get(name)
        return before if before == counts else counts

    def _sum(self, shortages: Iterable[Shortage], sign: int) -> None:
        for shortage in shortages:
            pool = shortage.service.pool
            self.short[pool] += sign * shortage.short
            self.replacing[pool] += sign * shortage.replaces
            if not self.short[pool]:
                del self.short[pool], self.replacing[pool]


def _is_met(count: VersionCount) -> bool:
    return count.serving == count.desired and not (count.starting or count.suspect or count.draining)


def _shortages(service: Service | None, tally: Tally) -> Iterator[Shortage]:
    if service is None:
        return
    for version, wanted in sorted(service.versions.items()):
        have = tally.of(service.name, version)
        short = wanted - have.capacity() + to_replace(have)
        if short > 0:
            yield Shortage(service, version, wanted, have, short, len(have.missing) + len(have.lost))


def _excesses(name: ServiceName, service: Service | None, tally: Tally) -> Iterator[Excess]:
    for version, have in sorted(tally.instances.get(name, {}).items()):
        if leaving := _leaving(service, version, have, tally):
            servers = frozenset(standing.facts.server for standing in leaving)
            yield Excess(name, service, version, have, leaving, servers)


def _leaving(service: Service | None, version: Version, have: InstanceTally, tally: Tally) -> Sequence[Standing]:
    """Name the instances of a version that are to leave; of what nobody wants, all, once all that is wanted serves."""
    wanted = service.versions.get(version, 0) if service is not None else 0
    if wanted:
        extra = len(have.serving) + len(have.starting) - wanted
        return choose(have, wanted, extra) if extra > 0 else ()
    if service is not None and not tally.serves(service.name, service.versions):
        return ()
    return sorted(have.staying(), key=lambda standing: standing.facts.server)
