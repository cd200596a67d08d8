"""Checkers of the books: every machine is recorded, every deletion decided first, everything told before it is done."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import ActionStarted, OperatorAsked, Recorded
from hfs_appliance.model.ids import Nonce, ServerId, serial_of
from hfs_appliance.model.instants import MINUTE, Duration, Instant, format_duration
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.errors import Missing
from sim.census import LATELY
from sim.checkers.base import Case, Checker, Waiting
from sim.entries import Author, LedgerWritten, RecordGone, RecordWritten, RoleGiven
from sim.truth import ApiCalled, DeletionBegun, Fact, MachineGone, MachineHidden, MachineMade, MutationSent


class Leak(Checker):
    """A machine without a record is soon recorded, or soon deleted."""

    name = "leak"
    ids = ("S8", "L7")
    promise = "no machine is without a record for longer than ten minutes in which the control plane could see it"
    sees = (MachineMade, MachineGone, MachineHidden, RecordWritten, RecordGone, ApiCalled)

    FOUND_WITHIN: Final = Duration(10 * MINUTE)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._unowned: Waiting[ServerId] = Waiting(self.FOUND_WITHIN)

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow who is recorded; the regular list is the tick."""
        if not isinstance(fact, ApiCalled):
            assert isinstance(fact, MachineMade | MachineGone | MachineHidden | RecordWritten | RecordGone)
            machine = self._census.machines.get(fact.server)
            # A deletion that sticks in the cloud is the cloud's, once somebody has struck out who asked for it.
            is_left = machine is not None and machine.status is not CloudStatus.DELETING
            if is_left and not self._census.is_owned(fact.server):
                self._unowned.begin(now, fact.server)
            else:
                self._unowned.end(fact.server)
        elif fact.call == "list":
            able_since = None if self._weather.may_lists_omit(now) else self._weather.able_since
            for server in self._unowned.due(now):
                if able_since is not None and able_since + self.FOUND_WITHIN <= now:
                    self.accuse(f"{server} has had no record for {format_duration(self.FOUND_WITHIN)}")
                else:
                    self._unowned.begin(now, server)


class RecordedFirst(Checker):
    """A record stands before the cloud is asked, under a serial that the ledger has passed."""

    name = "recorded-first"
    ids = ("S8", "S18")
    promise = "a server is made only after its record with its nonce, and recorded only after its serial in the ledger"
    sees = (RecordWritten, MachineMade, LedgerWritten)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._recorded: dict[ServerId, Nonce] = {}
        """Kept when records are removed: a creation may come late."""
        self._next_serial = 0

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare a server with its record, and a new record with the ledger."""
        del now
        match fact:
            case LedgerWritten():
                self._next_serial = fact.next_serial
            case MachineMade():
                if self._recorded.get(fact.server) != fact.nonce:
                    self.accuse(f"{fact.server} is made before its record is written")
            case RecordWritten():
                is_new = self._census.former_record is None and fact.server not in self._census.machines
                if fact.author is Author.PLANE and is_new and serial_of(fact.server) >= self._next_serial:
                    self.accuse(f"{fact.server} is recorded, and the ledger would give its number again")
                self._recorded[fact.server] = fact.nonce
            case _:
                pass


class Forgotten(Checker):
    """A record outlives its machine."""

    name = "forgotten"
    ids = ("S8", "S10", "L7")
    promise = "no record is removed while the cloud has its machine, unless it was made since the cloud was asked"
    sees = (RecordGone, ApiCalled)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._denied: dict[ServerId, Instant] = {}
        """When the cloud, asked for just this server, said that it has none, and had none."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Look for the machine."""
        match fact:
            case ApiCalled(call="get", server=server) if server is not None:
                self._denied.pop(server, None)
                if fact.refusal == Missing.__name__ and server not in self._census.machines:
                    self._denied[server] = now
            case RecordGone():
                denied_at = self._denied.pop(fact.server, None)
                # O3: a creation that arrives between the true answer and the write is found by its identity later.
                if fact.author is Author.PLANE and (denied_at is None or now - denied_at > LATELY):
                    self._judge(fact.server)
            case _:
                pass

    def _judge(self, server: ServerId) -> None:
        record, machine = self._census.former_record, self._census.machines.get(server)
        if record is not None and machine is not None and machine.nonce == record.nonce:
            self.accuse(f"the record of {server} is removed while its machine is {machine.status}")


class DecidedFirst(Checker):
    """The cloud deletes only what is ours, and what the registry has down as leaving."""

    name = "decided-first"
    ids = ("S13", "S8", "S18")
    promise = "a machine is deleted only when the record with its own nonce says that it must go"
    sees = (DeletionBegun, RecordGone)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._orphaned: dict[ServerId, None] = {}
        """Servers whose records said that they must go when somebody removed them by hand."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Look for the record."""
        if isinstance(fact, RecordGone):
            former = self._census.former_record
            if fact.author is not Author.PLANE and former is not None and former.is_deleting:
                self._orphaned[fact.server] = None
            return
        if not isinstance(fact, DeletionBegun) or now - self._weather.replaced_at < MINUTE:
            return
        record = self._census.records.get(fact.server)
        if record is None and fact.server in self._orphaned:
            return  # the call was on its way
        if record is None:
            self.accuse(f"{fact.server} is deleted, and no record knows of it")
        elif not self._census.is_owned(fact.server):
            self.accuse(f"{fact.server} is deleted, but the record of that name is another server's")
        elif not record.is_deleting:
            self.accuse(f"{fact.server} is deleted before its record says so")


class Audit(Checker):
    """What changes the cloud or a record is on the event stream before it is sent."""

    name = "audit"
    ids = ("S18",)
    promise = "every creation, deletion and change of a record was told as an action that began, with its cause"
    hears = (ActionStarted, OperatorAsked)
    sees = (MutationSent, RecordWritten, RecordGone, RoleGiven)

    CARRIED_OUT_WITHIN: Final = Duration(2 * MINUTE)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._started: dict[ServerId, dict[str, Instant]] = {}
        self._adopted_at: Instant | None = None
        """When an operator asked for all records to be written anew."""

    def hear(self, recorded: Recorded) -> None:
        """Note what began."""
        event = recorded.event
        if isinstance(event, OperatorAsked):
            if event.what == "adopt":
                self._adopted_at = recorded.at
            return
        assert isinstance(event, ActionStarted)
        self._started.setdefault(event.server, {})[event.action] = recorded.at
        if not event.cause:
            self.accuse(f"{event.action} of {event.server} began without a cause")

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare what arrives."""
        match fact:
            case MutationSent(call="create" | "delete"):  # not when it arrives: by then all may be over and forgotten
                assert fact.server is not None
                if fact.call not in self._started.get(fact.server, {}):
                    self.accuse(f"the cloud was asked to {fact.call} {fact.server}, and no such action was told")
            case RecordWritten() | RecordGone() | RoleGiven():
                if fact.author is Author.PLANE:
                    began = [*self._started.get(fact.server, {}).values()]
                    if self._adopted_at is not None:
                        began.append(self._adopted_at)
                    if not began or (now - max(began) > self.CARRIED_OUT_WITHIN and not self._is_held_up(now)):
                        self.accuse(f"an entry of {fact.server} was changed, and no action was told")
                    if isinstance(fact, RecordGone):
                        self._started.pop(fact.server, None)
            case _:
                pass

    def _is_held_up(self, now: Instant) -> bool:
        """Tell whether the registry may carry out only now what it was asked for long ago: writes wait, or did so."""
        calm_since = self._weather.calm_since()
        return calm_since is None or now - calm_since < self.CARRIED_OUT_WITHIN
