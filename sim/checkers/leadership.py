"""Checkers of leadership: one acts at a time, and whoever was deposed, frozen or cut off changes nothing any more."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.instants import Instant
from sim.checkers.base import Case, Checker
from sim.truth import EpochTaken, Fact, MutationSent, PlaneWrote, RegistryReplaced, SeatGone

OPEN: Final = ("/epoch", "/leader", "/proxies")
"""What is written without a fence: the election itself, and what each appliance's own proxy serves."""


class OneLeader(Checker):
    """S2: every write of a control plane is made in the newest term, and so is every call that changes the cloud."""

    name = "one-leader"
    ids = ("S2", "S3", "S18")
    promise = "control planes write, and ask the cloud for changes, in the newest term while it lasts, or not at all"
    sees = (EpochTaken, PlaneWrote, MutationSent, RegistryReplaced, SeatGone)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._epoch = 0
        self._leader: int | None = None
        self._seat = ""
        self._is_replaced = False

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare with the newest term."""
        del now
        match fact:
            case RegistryReplaced():
                self._epoch, self._leader, self._is_replaced = 0, None, True
            case SeatGone() if fact.seat == self._seat:
                self._leader = None
            case EpochTaken():
                self._take(fact)
            case PlaneWrote():
                self._write(fact)
            case MutationSent() if fact.client != self._leader:
                self.accuse(f"client {fact.client} asks the cloud to {fact.call} {fact.server}: {self._leader} leads")
            case _:
                pass

    def _take(self, fact: EpochTaken) -> None:
        if fact.epoch <= self._epoch:
            self.accuse(f"client {fact.client} takes epoch {fact.epoch} after {self._epoch}")
        self._epoch, self._seat, self._is_replaced = fact.epoch, fact.seat, False
        self._leader = fact.client if fact.seat else None

    def _write(self, fact: PlaneWrote) -> None:
        paths = [path for path in fact.paths if not _is_open(path)]
        if not paths:
            return
        if fact.epoch is None:
            self.accuse(f"client {fact.client} writes {', '.join(paths)} without a fence")
        elif self._is_replaced:
            # A registry that was set back goes on in the term that its backup knows, if its leader's seat is in it.
            self._is_replaced = False
            self._epoch, self._leader = fact.epoch, fact.client
        elif fact.epoch != self._epoch or fact.client != self._leader:
            self.accuse(f"client {fact.client} writes {', '.join(paths)} in epoch {fact.epoch}, after {self._epoch}")


def _is_open(path: str) -> bool:
    """Tell whether a path is one of the election's, or one that everything lies below."""
    parts = path.split("/")
    return len(parts) <= 3 or f"/{parts[3]}" in OPEN
