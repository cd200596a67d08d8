"""The checker of the floor: by our own hand no service has fewer instances than it should."""

from __future__ import annotations

from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.traffic import WHOLE
from sim.census import Key
from sim.checkers.base import Case, Checker
from sim.entries import Author, RecordWritten, RoleGiven
from sim.truth import DeletionBegun, Fact, MachineGone


class Floor(Checker):
    """A registered instance is told to leave, or its server is deleted, only while enough others are registered."""

    name = "floor"
    ids = ("S1", "S17")
    promise = "no drain and no deletion takes a service (version) below its count, by what was registered a minute ago"
    sees = (RoleGiven, RecordWritten, DeletionBegun, MachineGone)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._taken: dict[ServerId, None] = {}
        """Servers that were judged when they were told to leave, or were not there to be judged."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Judge what takes an instance away."""
        if isinstance(fact, RoleGiven):
            if fact.is_draining and fact.author is Author.PLANE:
                self._judge(now, fact.server, "drained")
        elif isinstance(fact, RecordWritten):
            # What had been given up when it was decided may come back until the cloud has heard of it: nobody's fault.
            if fact.is_deleting and fact.server not in self._census.registered:
                self._taken.setdefault(fact.server)
        elif isinstance(fact, DeletionBegun):
            self._judge(now, fact.server, "deleted")
        elif isinstance(fact, MachineGone):
            self._taken.pop(fact.server, None)

    def _judge(self, now: Instant, server: ServerId, what: str) -> None:
        entry, machine = self._census.registered.get(server), self._census.machines.get(server)
        if server in self._taken or entry is None or not entry.is_up or machine is None or entry.nonce != machine.nonce:
            return
        self._taken[server] = None
        key = (entry.service, entry.version)
        lately = self._census.lately(now)
        if not lately:
            return
        floor = min(desired.services[key[0]].versions.get(key[1], 0) if key[0] in desired.services else 0
                    for desired in lately)  # fmt: skip
        rollout = self._census.rollouts.get(key[0])
        if rollout is not None and not rollout.is_over:
            self._judge_service(now, server, key, what)  # how many each version has now is the rollout's to say
        elif floor and (left := self._left(now, key)) < floor:
            self.accuse(f"{server} of {' '.join(key)} is {what} though {left} others are registered, {floor} desired")
        elif not floor:
            self._judge_service(now, server, key, what)

    def _judge_service(self, now: Instant, server: ServerId, key: Key, what: str) -> None:
        """A version that is not desired may go when those that are, or those that have the requests, stand whole."""
        name = key[0]
        states = [desired.services.get(name) for desired in self._census.lately(now)]
        if any(state is None for state in states):
            return
        versions = [dict(state.versions) for state in states if state is not None]
        floor = min(sum(counts.values()) for counts in versions)
        left = max(sum(self._left(now, (name, version)) for version in counts) for counts in versions)
        left = max(left, self._left(now, key))
        if left < floor and not self._carries(now, name, floor):
            self.accuse(
                f"{server} of {' '.join(key)} is {what} though {left} of {floor} desired instances are registered"
            )

    def _carries(self, now: Instant, name: ServiceName, floor: int) -> bool:
        """Tell whether each version that is sent requests has its share of so many instances.

        When the wish changes again while its rollout runs, the first version still has the requests though it has not
        been desired for minutes, and what the former wish began may go at once. That every proxy follows this division
        is judged elsewhere (`acknowledged-split`).
        """
        traffic = self._census.traffic.get(name)
        return traffic is not None and all(
            self._left(now, (name, version)) * WHOLE >= floor * weight for version, weight in traffic.weights.items()
        )

    def _left(self, now: Instant, key: Key) -> int:
        """Count the registered instances that stay (the census knows already who leaves), and those lost lately."""
        group = self._census.groups.get(key)
        return len(group.up) + group.lost.count(now) if group is not None else 0
