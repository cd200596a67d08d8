"""Autoscaling as an operator asks for it, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hfs_appliance.model.instants import MINUTE, Duration, Instant, seconds
from hfs_appliance.model.shares import WHOLE, Share, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Stride:
    """How far a service may grow, or shrink, at a time."""

    window: Duration
    """So long must it have been needed without a break."""
    max: Share
    """By this share of its instances, and by at least one, …"""
    per: Duration
    """… within this time."""


UP = Stride(window=seconds(0), max=WHOLE, per=seconds(30))
DOWN = Stride(window=Duration(10 * MINUTE), max=percent(10), per=MINUTE)


class WhenBlind(StrEnum):
    """What happens while nothing is known of the load."""

    HOLD = "hold"
    NEVER = "never"
    """Nothing changes; an operator says `hold` of growing and `never` of shrinking."""
    USUAL = "usual"
    """Back to the instances of the versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """What happens while nothing is known of the load, by direction."""

    up: WhenBlind = WhenBlind.HOLD
    down: WhenBlind = WhenBlind.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscale:
    """How the instances of a service follow what is asked of it; the target that needs most wins."""

    min: int
    max: int
    rps_per_instance: int | None = None
    """Requests a second."""
    in_flight_per_instance: int | None = None
    """Requests under way at a time."""
    cpu: Share | None = None
    """Of the processors of its server, by what instances use."""
    load: Share | None = None
    """Of the processors of its server, by how many would run at a time (load average)."""
    latency_p95: Duration | None = None
    """95 of 100 requests are to be answered within it: makes the service grow, never shrink."""
    errors: Share = percent(5)
    """While so many of its requests fail, it does not shrink."""
    tolerance: Share = percent(10)
    """What deviates less from a target is as it should be."""
    up: Stride = UP
    down: Stride = DOWN
    no_data: NoData = NoData()


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many instances the autoscaler wants of a service; kept in the ledger."""

    total: int
    base: int
    """What it was when the present stride began: above `total` it shrinks, below it grows."""
    since: Instant
    """When that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is to be of a service, and why."""

    size: Size
    needed: int | None
    """By the load alone; None when nothing is known of it."""
    words: str
    signals: tuple[str, ...] = ()
    """What each target asks for."""
    is_waiting: bool = False
    """Whether another size would be right, and waits for its window or its pace."""
    until: Instant | None = None
    """When time alone may change the answer."""
