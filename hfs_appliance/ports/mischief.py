"""Mischief: places in the product at which a simulation makes unlikely things happen (FoundationDB calls it BUGGIFY).

What happens at a site could happen in life as well, only seldom: an answer that comes late, a write without its
read-back, a plan that is carried out by half. Outside of simulations nothing strikes: the product is given PEACE.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol


class Site(StrEnum):
    """Every place at which mischief may strike, with what happens there."""

    ACTION_WAITS = "action-waits"
    """An accepted action begins seconds later: what it rests on is old by then."""
    RECORD_WRITTEN = "record-written"
    """A record is written, and the action ends there as if the cloud could not be asked."""
    CLOUD_OBEYED = "cloud-obeyed"
    """The cloud did what was asked, and the answer counts as lost."""
    VIEW_KEPT = "view-kept"
    """What an action wrote is not read back: the view waits for its watch."""
    PLAN_HALVED = "plan-halved"
    """Only the first half of a plan is carried out."""
    LEDGER_REFUSED = "ledger-refused"
    """The ledger cannot be written this time."""
    LIST_LOST = "list-lost"
    """The cloud's list is read and thrown away."""
    REREAD = "reread"
    """The registry is read whole though nothing asks for it."""
    PART_FAILS = "part-fails"
    """The reconciler fails as if by a mistake of ours: its supervisor starts it again."""


class Mischief(Protocol):
    """Who decides what strikes."""

    def strikes(self, site: Site) -> bool:
        """Tell whether it happens now."""
        ...


class Peace:
    """Nothing strikes, ever."""

    def strikes(self, site: Site) -> bool:  # noqa: ARG002  # the protocol's signature
        """Tell so."""
        return False


PEACE: Final = Peace()
STRIKE_WAITS_S: Final = 7.0
"""How long something that comes late is late: longer than most other waits of the runtime."""
