"""The router: the same tables as `next_table`, one after the other, at the cost of what has changed.

A route follows from the service, its registrations, its traffic epoch and what is served now; so it is made anew when
one of these is another one. While a service has members of whom nothing is heard (`_hanging`), it also follows from
what others have registered, from our records and from whether removals are believed, and is made anew each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.maps import Map, differing
from hfs_appliance.model.observed import Registration, ServerRecord
from hfs_appliance.model.traffic import Traffic
from hfs_appliance.proxy.routing import NO_RECORDS, Place, Routing, Withheld, next_route, place_of, table_of
from hfs_appliance.proxy.table import Route, RouteTable

_NOTHING: Map[str, Registration] = Map()


class Router:
    """Remembers what the last table was made of."""

    def __init__(self) -> None:
        self._former: Mapping[ServiceName, Route] = {}
        self._services: Mapping[ServiceName, Service] = {}
        self._registrations: Mapping[ServiceName, Mapping[str, Registration]] = {}
        self._traffic: Mapping[ServiceName, Traffic] = {}
        self._routes: Map[ServiceName, Route] = Map()
        self._withheld: dict[ServiceName, str] = {}
        self._hanging: set[ServiceName] = set()
        self._taken: Counter[Place] = Counter()
        """How many registrations there are of each place."""

    def next_table(
        self,
        before: RouteTable | None,
        desired: DesiredState,
        registrations: Mapping[ServiceName, Mapping[str, Registration]],
        traffic: Mapping[ServiceName, Traffic],
        records: Mapping[ServerId, ServerRecord] = NO_RECORDS,
        *,
        removals_believed: bool,
    ) -> Routing:
        """Give the table to serve after `before`: that of `routing.next_table`."""
        former = before.routes if before is not None else {}
        moved = differing(self._registrations, registrations)
        for name in moved:
            self._count_places(self._registrations.get(name, _NOTHING), registrations.get(name, _NOTHING))
        touched = moved | self._hanging | differing(self._former, former)
        touched |= differing(self._services, desired.services) | differing(self._traffic, traffic)
        self._former, self._services = former, desired.services
        self._registrations, self._traffic = registrations, traffic
        changes: dict[ServiceName, Route | None] = {}
        for name in touched:
            changes[name] = self._reroute(name, records, removals_believed=removals_believed)
        self._routes = self._routes.updated(changes)
        notes = tuple(Withheld(service=name, words=words) for name, words in sorted(self._withheld.items()))
        return Routing(table=table_of(desired, self._routes), withheld=notes)

    def _reroute(
        self, name: ServiceName, records: Mapping[ServerId, ServerRecord], *, removals_believed: bool
    ) -> Route | None:
        """Give a service's route, the one that is served when it would be the same."""
        service, former = self._services.get(name), self._former.get(name)
        known = self._registrations.get(name, _NOTHING)
        self._withheld.pop(name, None)
        self._hanging.discard(name)
        if service is None:
            return None
        if former is not None and any(member.instance not in known for member in former.reachable):
            self._hanging.add(name)
        route, doubt = next_route(
            service, former, known, self._traffic.get(name), self._taken, records, removals_believed=removals_believed
        )
        if doubt:
            self._withheld[name] = doubt
        return former if route == former else route

    def _count_places(self, before: Mapping[str, Registration], entries: Mapping[str, Registration]) -> None:
        for instance in differing(before, entries):
            if instance in before:
                place = place_of(before[instance])
                self._taken[place] -= 1
                if not self._taken[place]:
                    del self._taken[place]
            if instance in entries:
                self._taken[place_of(entries[instance])] += 1
