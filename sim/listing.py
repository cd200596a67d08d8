"""What the cloud's API shows of the machines: all of them as they are, unless something is wrong with its lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from hfs_appliance.model.ids import AvailabilityZone, ServerId, serial_of
from hfs_appliance.model.instants import MINUTE, Instant
from hfs_appliance.model.maps import differing
from hfs_appliance.model.observed import CloudServer, CloudStatus, CloudView
from sim.cloudfaults import CloudFaults

KEPT: Final = 2 * MINUTE
"""How far back a list may be out of date."""


class Listing:
    """The list of servers; each list is remembered for a while, so that an old one can be given out again."""

    def __init__(self, now: Callable[[], Instant], whole: Callable[[], CloudView], faults: CloudFaults) -> None:
        self._now: Final = now
        self._whole: Final = whole
        self._faults: Final = faults
        self._former: Final[deque[tuple[Instant, CloudView]]] = deque()
        self._terms: tuple[int, frozenset[AvailabilityZone], int] | None = None
        """By what the last list with gaps was made, …"""
        self._made_of: Mapping[ServerId, CloudServer] = {}
        """… and of what."""
        self._gappy: dict[ServerId, CloudServer] = {}

    def view(self) -> CloudView:
        """Give the list as a client gets it now."""
        faults = self._faults
        if faults.is_other_project:
            return CloudView(servers={}, project="other")
        view = self._aged(self._whole())
        if not (faults.unlisted or faults.unlisted_zones or faults.unknown):
            return view
        listed = self._with_gaps(view.servers)
        is_whole = len(listed) == len(view.servers)
        return replace(view, servers=listed, is_complete=is_whole or not faults.admits_gaps)

    def _with_gaps(self, servers: Mapping[ServerId, CloudServer]) -> Mapping[ServerId, CloudServer]:
        """Leave out and blur what the faults say; only what is otherwise than in the last list is looked at."""
        faults = self._faults
        terms = (faults.unlisted, frozenset(faults.unlisted_zones), faults.unknown)
        if terms != self._terms:
            self._terms, self._made_of, self._gappy = terms, {}, {}
        changed = differing(self._made_of, servers)
        if changed:
            listed = self._gappy.copy()  # whoever was given the former one may still look at it
            for server in sorted(changed):
                found = servers.get(server)
                listed.pop(server, None)
                if found is None or _share(server) < faults.unlisted or found.az in faults.unlisted_zones:
                    continue
                is_blurred = _share(server) < faults.unknown
                listed[server] = replace(found, status=CloudStatus.UNKNOWN) if is_blurred else found
            self._made_of, self._gappy = servers, listed
        return self._gappy

    def _aged(self, view: CloudView) -> CloudView:
        now, former = self._now(), self._former
        if not former or former[-1][1] is not view:
            former.append((now, view))
        while len(former) > 1 and former[1][0] < now - KEPT:
            former.popleft()
        if not self._faults.list_age:
            return view
        true_then = [shown for at, shown in former if at <= now - self._faults.list_age]
        return true_then[-1] if true_then else former[0][1]


def _share(server: ServerId) -> int:
    """Spread servers over 0 to 999, so that a share of a few of them is a share as well, and always the same ones."""
    return serial_of(server) * 381 % 1000
