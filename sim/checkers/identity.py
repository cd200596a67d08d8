"""Checkers of identity: one server, one record, one role; one slot, one owner; and no name used twice (S6)."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.ids import Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant, seconds
from sim.checkers.base import Case, Checker
from sim.entries import Author, LedgerWritten, RecordGone, RecordWritten, Registered, RoleGiven, Unregistered
from sim.truth import Condition, Fact, FaultBegun, FaultEnded, MachineMade, RegistryReplaced, Settled


class OneRole(Checker):
    """A role is given to a server that waits for one, and to no other."""

    name = "one-role"
    ids = ("S6",)
    promise = "a role is given only to a server that waits in the pool, by its nonce, and never a second one"
    sees = (RoleGiven,)

    def see(self, now: Instant, fact: Fact) -> None:
        """Judge a claim."""
        del now
        if not isinstance(fact, RoleGiven) or fact.author is not Author.PLANE:
            return
        census, former = self._census, self._census.former_role
        role = f"{fact.service} {fact.version} slot {fact.slot}"
        if former is not None and former.nonce == fact.nonce:
            if (former.service, former.version, former.slot) != (fact.service, fact.version, fact.slot):
                had = f"{former.service} {former.version} slot {former.slot}"
                self.accuse(f"{fact.server} is {had} and is given {role}")
            return
        machine = census.machines.get(fact.server)
        if machine is not None and machine.key is not None and machine.condition is not Condition.STOPPED:
            self.accuse(f"{fact.server} runs {' '.join(machine.key)} in truth and is given {role}")
        if census.announced.get(fact.server) != fact.nonce:
            self.accuse(f"{fact.server} is given {role} though it does not wait in the pool")


class OneOwner(Checker):
    """A slot of a service version belongs to one instance."""

    name = "one-owner"
    ids = ("S6",)
    promise = "no slot is given while another instance that stays is registered for it"
    sees = (RecordWritten, RecordGone)

    SETTLES: Final = seconds(15)
    """A registration that is younger may not have been seen when the slot was given."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._owners: dict[tuple[ServiceName, Version, int], dict[ServerId, None]] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow who has which slot by the records."""
        assert isinstance(fact, RecordWritten | RecordGone)
        former = self._census.former_record
        before = _slot(former) if former is not None else None
        after = _slot(fact) if isinstance(fact, RecordWritten) else None
        if before == after:
            return
        if before is not None:
            self._owners[before].pop(fact.server, None)
        if after is None:
            return
        owners = self._owners.setdefault(after, {})
        owners[fact.server] = None
        if self._weather.was_registry_dull(now, self.SETTLES):
            return  # who has which slot is told late
        if isinstance(fact, RecordWritten) and fact.author is Author.PLANE and former is not None:
            group = self._census.group((after[0], after[1]))
            settled = now - self.SETTLES
            others = [server for server in owners if server != fact.server and group.up.get(server, now) < settled]
            if others:
                self.accuse(f"{fact.server} is given {after[0]} {after[1]} slot {after[2]}, which {others[0]} has")


class OneSlot(Checker):
    """Who shares a slot gives way."""

    name = "one-slot"
    ids = ("S6", "L1")
    promise = "in the end no two instances of a version are registered for one slot"
    sees = (Registered, Unregistered, Settled)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._slots: dict[ServerId, tuple[ServiceName, Version, int]] = {}
        """By instance, as it says itself."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow the registrations; judge those of the end."""
        del now
        match fact:
            case Registered() if fact.slot is not None:
                self._slots[fact.instance] = (fact.service, fact.version, fact.slot)
            case Registered() | Unregistered():
                self._slots.pop(fact.instance, None)
            case _:
                self._judge()

    def _judge(self) -> None:
        owners: dict[tuple[ServiceName, Version, int], ServerId] = {}
        for server, place in sorted(self._slots.items()):
            owner = owners.setdefault(place, server)
            if owner != server:
                self.accuse(f"{owner} and {server} are both registered for {place[0]} {place[1]} slot {place[2]}")


def _slot(record: RecordWritten) -> tuple[ServiceName, Version, int] | None:
    if record.service is None or record.version is None or record.slot is None:
        return None
    return None if record.is_draining or record.is_deleting else (record.service, record.version, record.slot)


class OwnNonce(Checker):
    """What a server is taken for rests on entries that carry its own nonce."""

    name = "own-nonce"
    ids = ("S6", "S8")
    promise = "an instance is confirmed by a registration with its server's nonce; a record never changes its nonce"
    sees = (RecordWritten, Unregistered, Registered, FaultBegun, FaultEnded)

    KNOWN_FOR: Final = seconds(60)
    HANGS: Final = "registry-writes-hang"
    """The fault under which a write comes into force long after it was sent."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._seen: dict[ServerId, tuple[Nonce, Instant | None]] = {}
        """The nonce of each server's last registration, and when it ended."""
        self._hanging: dict[int, Instant] = {}
        """Since when writes hang, by fault."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Judge confirmations."""
        match fact:
            case Registered():
                self._seen[fact.instance] = (fact.nonce, None)
            case Unregistered():
                nonce, _ = self._seen.get(fact.instance, (Nonce(""), None))
                self._seen[fact.instance] = (nonce, now)
            case FaultBegun(kind=self.HANGS):
                self._hanging[fact.number] = now
            case FaultEnded():
                self._hanging.pop(fact.number, None)
            case RecordWritten(author=Author.PLANE):
                self._judge(now, fact)
            case _:
                pass

    def _judge(self, now: Instant, record: RecordWritten) -> None:
        former = self._census.former_record
        if former is not None and former.nonce != record.nonce:
            self.accuse(f"the record of {record.server} had nonce {former.nonce} and now has {record.nonce}")
        is_news = record.is_ready and (former is None or not former.is_ready)
        if is_news:
            nonce, ended = self._seen.get(record.server, (Nonce(""), None))
            sent_at = min(self._hanging.values(), default=now)
            is_known = nonce == record.nonce and (ended is None or sent_at - ended <= self.KNOWN_FOR)
            if not is_known:
                self.accuse(f"{record.server} counts as registered, and no registration carries its nonce")


class NewNames(Checker):
    """A server's name is used once."""

    name = "new-names"
    ids = ("S6", "S8")
    promise = "no server is made under a name that another one has had; the number of the next one only rises"
    sees = (MachineMade, LedgerWritten, RegistryReplaced)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._used: dict[ServerId, Nonce] = {}
        self._next_serial = 0

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow the names and the numbers."""
        del now
        if isinstance(fact, LedgerWritten):
            if fact.next_serial < self._next_serial:
                self.accuse(f"the ledger's next number was {self._next_serial} and is {fact.next_serial}")
            self._next_serial = fact.next_serial
        elif isinstance(fact, MachineMade):
            nonce = self._used.setdefault(fact.server, fact.nonce)
            if nonce != fact.nonce:
                self.accuse(f"{fact.server} is made again, with nonce {fact.nonce}; the first one had {nonce}")
        else:
            # What an emptied or rolled-back registry has forgotten, nobody can know; who is there can be asked.
            self._used = {server: machine.nonce for server, machine in self._census.machines.items()}
            self._next_serial = 0
