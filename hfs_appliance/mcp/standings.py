"""Standings: the tally of a World, brought up to date from that of the World before.

A server is looked at again when something that its verdict rests on is other than before: what a source says of it (the
Worlds' Maps tell), an action in flight, or the instant at which its rule said that time alone would move it. What is
believed of the cloud's list concerns those that only their record knows as well, and what is believed of removals those
that are not registered: both change with every slow answer, and must not cost a look at the fleet. What all verdicts
rest on (`are_alike`) has every server looked at.

The rule to keep: whatever a row of the rule table reads is either compared here or makes the server looked at. A
property holds the outcome against that of looking at everything (tests/properties/test_incremental.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from heapq import heappop, heappush
from typing import Final

from hfs_appliance.mcp.classify import classify
from hfs_appliance.mcp.facts import Circumstances, Facts, are_alike, join, look_up, quickly, removals
from hfs_appliance.mcp.glance import glance
from hfs_appliance.mcp.phases import DEAD
from hfs_appliance.mcp.placing import place
from hfs_appliance.mcp.tally import Standing, Tally
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.maps import Map, differing, flat
from hfs_appliance.model.observed import CloudServer, Registration, RegistryView
from hfs_appliance.model.plan import Action, Verdict
from hfs_appliance.model.world import World

_NOBODY: Final[Map[ServerId, CloudServer]] = Map()
_NOTHING: Final[Map[str, Registration]] = Map()


class Standings:
    """The tally and the verdicts of the World that was looked at last."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.verdicts: Map[ServerId, Verdict] = Map()
        self._standings: dict[ServerId, Standing] = {}
        self._stirred: set[ServiceName] = set()
        self.looked_at: Collection[ServerId] | None = None
        """Whom the last look was at; None: at all."""
        self._untils: list[tuple[Instant, ServerId]] = []
        """A heap; an entry that is not its server's present one means nothing."""
        self._unlisted: set[ServerId] = set()
        """Servers of which neither cloud nor registry tell: their verdicts may rest on when the cloud was asked."""
        self._unwell: set[ServerId] = set()
        """Servers that the cloud lists as dead: their verdicts may rest on whether its list is believed."""
        self._unregistered: set[ServerId] = set()
        """Servers whose verdicts may rest on since when, and whether, removals are believed."""
        self._before: tuple[World, Circumstances] | None = None

    def look(self, world: World, c: Circumstances) -> set[ServiceName] | None:
        """Take a World in; give the services whose instances have changed, None when all may have."""
        before, self._before = self._before, None  # what fails half-way is begun anew
        touched = self._touched(before, world, c) if before is not None else None
        if touched is None or 2 * len(touched) > len(self._standings):
            self._look_at_all(world, c)
            stirred = self.looked_at = None
        else:
            self.looked_at = touched
            self._look_at(touched, world, c)
            stirred = self._stirred
        self._stirred = set()
        self._before = (world, c)
        return stirred

    def next_until(self) -> Instant | None:
        """Give the first instant at which time alone may change a verdict."""
        untils = self._untils
        while untils:
            until, server = untils[0]
            standing = self._standings.get(server)
            if standing is not None and standing.until == until:
                return until
            heappop(untils)
        return None

    def _touched(self, before: tuple[World, Circumstances], world: World, c: Circumstances) -> set[ServerId] | None:
        """Name the servers to look at; None: all."""
        former, former_c = before
        if world.now < former.now or world.ledger.next_serial < former.ledger.next_serial:
            return None  # another story
        if not are_alike(former_c, c):
            return None
        touched = differing(former.in_flight, world.in_flight) | self._due(world.now)
        touched |= differing(_listed(former), _listed(world)) | differing(former.probes, world.probes)
        touched |= _registered_otherwise(_view(former), _view(world))
        if c.listed_at != former_c.listed_at or c.is_cloud_known != former_c.is_cloud_known:
            touched |= self._unlisted
        if c.is_cloud_known != former_c.is_cloud_known:
            touched |= self._unwell
        if removals(c) != removals(former_c):
            touched |= self._unregistered
        return touched

    def _due(self, now: Instant) -> set[ServerId]:
        untils, due = self._untils, set[ServerId]()
        while untils and untils[0][0] <= now:
            due.add(heappop(untils)[1])
        return due

    def forget(self) -> None:
        """Let go of all servers."""
        self.tally.let_go()
        self.tally = Tally()
        self._standings, self._untils = {}, []
        self._unlisted, self._unwell, self._unregistered = set(), set(), set()

    def _look_at_all(self, world: World, c: Circumstances) -> None:
        self.forget()
        in_flight, next_serial = flat(world.in_flight), world.ledger.next_serial
        view, listed = _view(world), _listed(world)
        busy = {*in_flight, *flat(view.pool)}
        self._standings, verdicts = glance(self.tally, view, listed, c, next_serial, busy)
        for facts in join(view, listed, without=verdicts):  # which grows by whom `join` has given, and gives once
            server = facts.server
            verdict = self._judge(facts, in_flight.get(server), c, next_serial)
            assert verdict is not None
            verdicts[server] = verdict
        for server, action in in_flight.items():
            if server not in verdicts:
                self._judge(Facts(server, None, None, None, None), action, c, next_serial)
        self.verdicts = self.verdicts.became(verdicts) if self.verdicts else Map(verdicts)

    def _look_at(self, servers: Iterable[ServerId], world: World, c: Circumstances) -> None:
        view, listed, next_serial = _view(world), _listed(world), world.ledger.next_serial
        verdicts: dict[ServerId, Verdict | None] = {}
        for server in servers:
            before = self._standings.pop(server, None)
            if before is not None:
                self._stir(before)
                self.tally.remove(before)
                for few in (self._unlisted, self._unwell, self._unregistered):
                    few.discard(server)
            verdict = self._judge(look_up(view, listed, server), world.in_flight.get(server), c, next_serial)
            if server in self._standings:
                self._stir(self._standings[server])
            had = before.verdict if before is not None else None
            verdicts[server] = had if verdict == had else verdict
        self.verdicts = self.verdicts.updated(verdicts)
        for service in self._stirred:
            self.tally.drop_empty(service)

    def _judge(self, facts: Facts, action: Action | None, c: Circumstances, next_serial: int) -> Verdict | None:
        """Classify a server and put it into the tally, if anything is known of it."""
        server = facts.server
        verdict, until = None, None
        if facts.record is not None or facts.cloud is not None or facts.pool_entry is not None:
            verdict, until = classify(facts, c)
            # An instant that has passed changes nothing by passing: what the rule waits for is something else.
            if until is not None and until <= c.now:
                until = None
        elif action is None:
            return None
        spot = place(self.tally, facts, verdict, action, next_serial)
        standing = self._standings[server] = quickly(Standing, (facts, verdict, until, action, spot))
        self.tally.add(standing)
        if until is not None:
            heappush(self._untils, (until, server))
        if facts.cloud is None:
            if facts.registration is None and facts.pool_entry is None:
                self._unlisted.add(server)
        elif facts.cloud.status in DEAD:
            self._unwell.add(server)
        if facts.registration is None:
            self._unregistered.add(server)
        return verdict

    def _stir(self, standing: Standing) -> None:
        if standing.place.service is not None:
            self._stirred.add(standing.place.service)


def _view(world: World) -> RegistryView:
    assert world.registry is not None
    return world.registry.value


def _listed(world: World) -> Mapping[ServerId, CloudServer]:
    return world.cloud.value.servers if world.cloud is not None else _NOBODY


def _registered_otherwise(former: RegistryView, view: RegistryView) -> set[ServerId]:
    """Name the servers of which the registry says something else."""
    if former is view:
        return set()
    found = differing(former.records, view.records) | differing(former.pool, view.pool)
    found |= differing(former.departed, view.departed)
    for service in differing(former.registrations, view.registrations):
        before, after = former.registrations.get(service, _NOTHING), view.registrations.get(service, _NOTHING)
        found.update(ServerId(instance) for instance in differing(before, after))
    return found
