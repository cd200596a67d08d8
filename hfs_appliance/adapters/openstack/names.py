"""Names: what operators call images, flavors, networks and server groups, turned into the ids that nova wants.

Ids are believed for a while, not asked for with each server; after a refusal they are asked for anew, for an image that
was replaced keeps its name and gets another id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.model.instants import MINUTE, Instant
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Rejected

BELIEVED_FOR: Final = 5 * MINUTE

_ID: Final = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_GROUPS_VERSION: Final = "2.64"


class Names:
    """The names of one project."""

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door: Final = door
        self._clock: Final = clock
        self._known: Final[dict[tuple[str, str], tuple[Instant, str]]] = {}

    def forget(self) -> None:
        """Believe nothing any more."""
        self._known.clear()

    async def image(self, name: str) -> str:
        """Give the id of an image. Errors: Rejected."""
        listing = Call(api=Api.IMAGE, method="GET", path="/images", query={"name": name, "status": "active"})
        return await self._id("image", name, listing, "images")

    async def flavor(self, name: str) -> str:
        """Give the id of a flavor, which may be any text. Errors: Rejected."""
        return await self._id("flavor", name, Call(api=Api.COMPUTE, method="GET", path="/flavors"), "flavors")

    async def network(self, name: str) -> str:
        """Give the id of a network. Errors: Rejected."""
        listing = Call(api=Api.NETWORK, method="GET", path="/networks", query={"name": name})
        return await self._id("network", name, listing, "networks")

    async def server_group(self, name: str) -> str:
        """Give the id of a server group. Errors: Rejected."""
        listing = Call(api=Api.COMPUTE, method="GET", path="/os-server-groups", microversion=_GROUPS_VERSION)
        return await self._id("server group", name, listing, "server_groups")

    async def _id(self, kind: str, name: str, listing: Call, key: str) -> str:
        if _ID.fullmatch(name):
            return name
        known = self._known.get((kind, name))
        if known is not None and self._clock.now() - known[0] < BELIEVED_FOR:
            return known[1]
        body = (await self._door.ask(listing)).body
        found = _chosen(kind, name, body.get(key, ()))
        self._known[kind, name] = (self._clock.now(), found)
        return found


def _chosen(kind: str, name: str, listed: Sequence[Mapping[str, Any]]) -> str:
    """Choose the one that carries a name, or as its id. Errors: Rejected."""
    found = sorted({str(item["id"]) for item in listed if name in (item.get("name"), item["id"])})
    if len(found) == 1:
        return found[0]
    if not found:
        raise Rejected(f"this project has no {kind} {name!r}")
    raise Rejected(f"{len(found)} {kind}s are called {name!r}: name one by its id, {' or '.join(found[:3])}")
