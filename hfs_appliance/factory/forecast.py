"""The forecast of a pool: as many warm servers as were claimed, at the worst, while they could not be built. Pure.

What a pool is there for is what comes at once: within the time that building takes, nothing but its warm servers can
help. So its size is the greatest number that was claimed within a rush, of all that is remembered. A rush is two builds
long: what found the pool empty was claimed when it was built, one build after it was needed. What can wait for builds
(a new service, another version) is not counted: who calls says what is (`mcp/stocks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hfs_appliance.model.instants import HOUR, Duration, Instant, after, seconds
from hfs_appliance.model.ledger import Rush, Taken

UNMEASURED: Final = seconds(300)
"""What building is thought to take until one was seen."""
MOMENT: Final = seconds(10)
"""Claims of so long are noted together."""
SLOW_DECAY: Final = 8
"""A build that is quicker than those before counts for one in so many; one that is slower counts at once."""


def noted(rush: Rush, now: Instant, claims: int, builds: Sequence[Duration], remember: Duration) -> Rush:
    """Note what was claimed now, and how long builds took that have ended now; the very same when nothing is new."""
    rebuild = rush.rebuild
    for build in builds:
        rebuild = build if rebuild is None or build > rebuild else Duration(rebuild + (build - rebuild) // SLOW_DECAY)
    if not claims:
        return rush if rebuild == rush.rebuild else replace(rush, rebuild=rebuild)
    span = 2 * (UNMEASURED if rebuild is None else rebuild) + MOMENT
    recent = _added(rush.recent, Instant(now - now % MOMENT), claims)
    recent = tuple(taken for taken in recent if now < taken.at + span)
    hour, count = Instant(now - now % HOUR), sum(taken.count for taken in recent)
    known = tuple(peak for peak in rush.peaks if now < _forgotten_at(peak, remember))
    most = max([count, *(peak.count for peak in known if peak.at == hour)])
    peaks = (*(peak for peak in known if peak.at != hour), Taken(at=hour, count=most))
    return replace(rush, rebuild=rebuild, recent=recent, peaks=peaks)


def size(rush: Rush, least: int, most: int, now: Instant, remember: Duration) -> tuple[int, Instant | None]:
    """Give how many warm servers to keep, and until when that is so by time alone; None: until something is claimed."""
    known = [peak for peak in rush.peaks if now < _forgotten_at(peak, remember)]
    greatest = max((peak.count for peak in known), default=0)
    if greatest <= least:
        return least, None
    return min(greatest, most), max(_forgotten_at(peak, remember) for peak in known if peak.count == greatest)


def _added(recent: Sequence[Taken], at: Instant, count: int) -> tuple[Taken, ...]:
    if recent and recent[-1].at == at:
        return (*recent[:-1], Taken(at=at, count=recent[-1].count + count))
    return (*recent, Taken(at=at, count=count))


def _forgotten_at(peak: Taken, remember: Duration) -> Instant:
    return after(peak.at, Duration(HOUR + remember))
