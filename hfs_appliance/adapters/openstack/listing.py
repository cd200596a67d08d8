"""Listing: what lists have told of our servers, made from a whole list now and then and from changes in between. Pure.

Rules: only a whole list may take a server away in silence; changes name what is gone. A part of the cloud that does not
answer (OS7) makes the list incomplete, and what was known of its servers stays, as UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from hfs_appliance.adapters.openstack.servers import Told
from hfs_appliance.model.ids import CloudId, ServerId
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.model.observed import CloudServer, CloudStatus

WHOLE_EVERY: Final = seconds(30)
"""How old the last whole list may be; between two, only changes are asked for."""
OVERLAP: Final = seconds(10)
"""How far back changes are asked for beyond the last answer: clocks of the cloud's hosts differ, its times are whole
seconds, and what is told twice does no harm."""


class Listing:
    """What is known of our servers."""

    def __init__(self) -> None:
        self._known: dict[CloudId, CloudServer] = {}
        self._whole_at: Instant | None = None
        self._since: Instant | None = None
        self.is_complete = False
        """Whether a server that is not here is not there, as far as the cloud knows."""

    def changes_since(self, now: Instant) -> Instant | None:
        """Give from when on changes are to be asked for; None: a whole list is due."""
        if not self.is_complete or self._whole_at is None or now - self._whole_at >= WHOLE_EVERY:
            return None
        return self._since

    def take_whole(self, told: Iterable[Told], *, now: Instant, since: Instant | None) -> None:
        """Take a whole list, asked for at `now`; `since` is the cloud's own time of it."""
        listed: dict[CloudId, CloudServer] = {}
        is_complete = True
        for server in told:
            if server.ours is not None and not server.is_gone:
                listed[server.id] = server.ours
            is_complete &= server.status != "UNKNOWN"
            if server.is_hidden and server.id in self._known:
                listed[server.id] = _unreachable(self._known[server.id])
        self._known, self.is_complete = listed, is_complete
        self._whole_at, self._since = now, since

    def take_changes(self, told: Iterable[Told], *, since: Instant | None) -> None:
        """Take what has changed; nothing that has changed leaves the time where it was."""
        known = dict(self._known)
        for server in told:
            if server.is_gone:
                known.pop(server.id, None)
            elif server.ours is not None:
                known[server.id] = server.ours
        self._known, self._since = known, since or self._since

    def forget(self, cloud_id: CloudId) -> None:
        """Take one away that the cloud, asked by id, does not know any more."""
        self._known.pop(cloud_id, None)

    def shown(self) -> dict[ServerId, CloudServer]:
        """Give one server for each id: of several, the one that counts."""
        shown: dict[ServerId, CloudServer] = {}
        for server in self._known.values():
            rival = shown.get(server.server)
            shown[server.server] = server if rival is None else first([server, rival])
        return shown

    def spares(self) -> list[CloudServer]:
        """Give the servers beside those that count, as far as a whole list shows that these are, or will be, well."""
        if not self.is_complete:
            return []
        shown = self.shown()
        well = (CloudStatus.BUILDING, CloudStatus.ACTIVE)
        spares = (server for server in self._known.values() if server.cloud_id != shown[server.server].cloud_id)
        return sorted(
            (
                server
                for server in spares
                if server.status is not CloudStatus.DELETING
                and server.nonce == shown[server.server].nonce
                and shown[server.server].status in well
            ),
            key=lambda server: server.cloud_id,
        )

    def ids(self, server: ServerId) -> list[CloudId]:
        """Give the cloud's ids of all that carry a server's id."""
        return sorted(found.cloud_id for found in self._known.values() if found.server == server)


def first(rivals: Iterable[CloudServer]) -> CloudServer:
    """Choose among servers that carry one identity: a creation that came late (O3) makes one too many.

    Everybody who looks chooses the same: one that is not on its way out, else the oldest.
    """
    return min(rivals, key=lambda server: (server.status is CloudStatus.DELETING, server.created_at, server.cloud_id))


def _unreachable(known: CloudServer) -> CloudServer:
    return replace(known, status=CloudStatus.UNKNOWN, fault="the part of the cloud that knows it does not answer")


def overlapped(told_at: Instant | None, told: Iterable[Told]) -> Instant | None:
    """Give from when on changes are to be asked for after a list; None: nobody has said what time it is.

    Some clouds' answers carry no date. The last change that they tell of is their own time, too.
    """
    times = [told_at] if told_at is not None else [found.updated_at for found in told if found.updated_at is not None]
    return Instant(max(times) - OVERLAP) if times else None
