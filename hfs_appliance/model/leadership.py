"""Leadership: who may act for an environment that several appliances look after.

One appliance leads, for a *term*; the number of the term is its *epoch*, which rises with each takeover and stands in
the registry as the version of one entry: the fence. All others stand by.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hfs_appliance.model.instants import Instant


class Mode(StrEnum):
    """What an appliance may do."""

    STANDBY = "standby"
    """Another one leads, or nobody: it observes, and shows what it would do."""
    SYNC = "sync"
    """It leads, but has not seen everything afresh since it does: nothing is done yet."""
    ACTIVE = "active"
    """It leads and acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An appliance that lives (`leader/<session>`, ephemeral)."""

    appliance: str
    """Which one: stays the same when it is started again on the same state."""
    name: str
    """What operators call it."""
    address: str
    """URL of its admin API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """Content of the epoch's entry: who took it last."""

    seat: str
    """Name of the holder's candidacy; empty when the leader laid its office down."""
    name: str
    """Of the holder, for whoever looks with other tools."""
    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Who leads, as others are told."""

    name: str
    address: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The right to act: what every write of the leader is checked against by the registry itself."""

    epoch: int
    """Version of the epoch's entry: nobody has come after us."""
    seat: str
    """Path of our own candidacy: our session lives."""
    session_id: int
