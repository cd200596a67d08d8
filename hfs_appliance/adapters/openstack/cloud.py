"""The Cloud port over OpenStack: what is asked for, looked for and believed. Sending is the door's business.

Nova has no idempotence key (OS3): a creation looks for its identity first, and several that carry one identity are one
server to everybody who looks (`listing.first`), and all of them are deleted with it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import trio

from hfs_appliance.adapters.openstack import failures, servers
from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.adapters.openstack.listing import Listing, first, overlapped
from hfs_appliance.adapters.openstack.names import Names
from hfs_appliance.adapters.openstack.servers import Told, name_of
from hfs_appliance.adapters.openstack.userdata import Download, user_data
from hfs_appliance.adapters.shelf import Shelf
from hfs_appliance.model.desired import OpenStackCloud as Settings
from hfs_appliance.model.ids import CloudId, EnvironmentName, ServerId
from hfs_appliance.model.instants import Instant, between
from hfs_appliance.model.observed import CloudServer, CloudStatus, CloudView
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Permit, ServerSpec, unconditional
from hfs_appliance.ports.errors import Conflict, Missing, Rejected, Transient, Unsupported

VERSION: Final = "2.69"
"""Of nova's API, everywhere: the first that shows the servers of a part of the cloud that is down (OS7); of 2019."""

SERVERS_MAX: Final = 200_000
"""A list that goes on after so many does not end."""


@dataclass(slots=True)
class _Turn:
    """Who works on one server's creation or deletion: one at a time."""

    lock: trio.Lock
    users: int = 0


class OpenStackCloud:
    """Servers of one environment in one project; implements the ports' Cloud and Spares."""

    def __init__(
        self,
        environment: EnvironmentName,
        settings: Settings,
        door: Door,
        clock: Clock,
        *,
        download: Download | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        """`download` is how servers get hfs; None: their image has it. `shelf` lends them modules that lie here."""
        self._shelf: Final = shelf
        self._download: Final = download
        self._environment: Final = environment
        self._settings: Final = settings
        self._door: Final = door
        self._clock: Final = clock
        self._names: Final = Names(door, clock)
        self._listing: Final = Listing()
        self._reading: Final = trio.Lock()
        """Two lists at once would take each other's changes back."""
        self._turns: Final[dict[ServerId, _Turn]] = {}

    async def servers(self) -> CloudView:
        """List every server; mostly only what has changed is asked for."""
        project = await self._door.project()
        async with self._reading:
            now = self._clock.now()
            since = self._listing.changes_since(now)
            if since is None:
                await self._read_whole(project, now)
            else:
                await self._read_changes(project, since)
        return CloudView(servers=self._listing.shown(), is_complete=self._listing.is_complete, project=project)

    async def server(self, server: ServerId) -> CloudServer:
        """Ask for one server by itself. Errors: Missing."""
        found = await self._rivals(server)
        if not found:
            raise await self._absence(server)
        return first(found)

    async def create(self, spec: ServerSpec, *, permit: Permit = unconditional) -> CloudServer:
        """Ask for a server. Errors: Conflict, Ambiguous."""
        if spec.environment != self._environment:
            raise Rejected(f"server {spec.server} is meant for environment {spec.environment}, not {self._environment}")
        async with self._turn(spec.server):
            rivals = await self._named(spec.server)
            if rivals:
                return _already(spec, first(rivals))
            body = await self._body(spec)
            call = Call(api=Api.COMPUTE, method="POST", path="/servers", body=body, microversion=VERSION)
            try:
                told = await self._door.change(call, permit=permit)
            except Rejected:
                self._names.forget()  # what they stood for may have been replaced
                raise
        try:
            cloud_id = CloudId(str(told.body["server"]["id"]))
        except (KeyError, TypeError) as error:
            raise failures.garbled(call.words, is_mutation=True) from error
        return CloudServer(
            cloud_id=cloud_id,
            server=spec.server,
            nonce=spec.nonce,
            pool=spec.pool,
            az=spec.az,
            status=CloudStatus.BUILDING,
            address="",
            created_at=self._clock.now(),
            uuid=spec.uuid,
        )

    async def delete(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Ask for deletion of all that carries a server's identity. Errors: Missing."""
        async with self._turn(server):
            found = self._listing.ids(server) or [rival.cloud_id for rival in await self._named(server)]
            deleted = [cloud_id for cloud_id in found if await self._delete(cloud_id, permit)]
            if not deleted:
                rivals = await self._named(server)
                if not rivals:
                    raise await self._absence(server)
                for rival in rivals:
                    await self._delete(rival.cloud_id, permit)

    async def sweep(self, *, permit: Permit) -> tuple[ServerId, ...]:
        """Ask for the end of servers beside the one that counts (OS3). Errors: those of deletions."""
        swept = []
        for spare in self._listing.spares():
            async with self._turn(spare.server):
                if await self._delete(spare.cloud_id, permit):
                    swept.append(spare.server)
        return tuple(swept)

    async def log(self, server: ServerId, lines: int) -> str:
        """Give the tail of the console. Errors: Missing, Unsupported."""
        found = await self.server(server)
        body = {"os-getConsoleOutput": {"length": lines}}
        try:
            told = await self._door.ask(_call("POST", f"/servers/{found.cloud_id}/action", body=body))
        except Conflict:
            return ""  # it has not come as far as a console
        return "\n".join(str(told.body.get("output") or "").splitlines()[-lines:]) if lines > 0 else ""

    async def kill(self, server: ServerId, *, permit: Permit = unconditional) -> None:  # noqa: ARG002  # the port's
        """Refuse: what somebody pays for is not broken for the sake of it. Errors: Unsupported."""
        await trio.lowlevel.checkpoint()
        raise Unsupported(f"server {server} is a real one: hfs does not break servers of an OpenStack cloud")

    # Lists

    async def _read_whole(self, project: str, now: Instant) -> None:
        """Read the whole list; nothing may filter, sort or page it, or servers of a down cell are left out."""
        told, since = await self._pages(_call("GET", "/servers/detail"), project)
        self._listing.take_whole(told, now=now, since=since)

    async def _read_changes(self, project: str, since: Instant) -> None:
        query = {"changes-since": servers.write_instant(since)}
        told, since_then = await self._pages(_call("GET", "/servers/detail", query), project)
        self._listing.take_changes(told, since=since_then)

    async def _pages(self, call: Call, project: str) -> tuple[list[Told], Instant | None]:
        """Read a list to its end; give, too, from when on changes are to be asked for after it."""
        begun = self._clock.now()
        told: list[Told] = []
        told_at: Instant | None = None
        following: Call | None = call
        while following is not None and len(told) < SERVERS_MAX:
            try:
                answer = await self._door.ask(following)
            except Rejected as error:
                if following is call:
                    raise
                # OS8: the server at which the next page was to begin has gone meanwhile.
                raise Transient(f"the list of servers broke off: {error.words}") from error
            if following is call and answer.at is not None:
                told_at = Instant(answer.at - between(begun, self._clock.now()))
            told += self._told(answer.body)
            following = _next(answer.body)
        strangers = {server.project for server in told} - {project, ""}
        if following is not None or strangers:
            whose = f"it is of project {', '.join(sorted(strangers))}" if strangers else "it does not end"
            raise Transient(f"the list of servers is not believed: {whose}")
        return told, overlapped(told_at, told)

    async def _named(self, server: ServerId) -> list[CloudServer]:
        """Find what carries a server's identity by its name, which is the one thing that nova can be asked for."""
        name = re.escape(name_of(self._environment, server)).replace(r"\-", "-")
        answer = await self._door.ask(_call("GET", "/servers/detail", {"name": f"^{name}$"}))
        here = [found.ours for found in self._told(answer.body) if not found.is_gone]
        return [ours for ours in here if ours is not None and ours.server == server]

    async def _rivals(self, server: ServerId) -> list[CloudServer]:
        """Find what carries a server's identity, by its ids as far as they are known."""
        found: list[CloudServer] = []
        for cloud_id in self._listing.ids(server):
            try:
                answer = await self._door.ask(_call("GET", f"/servers/{cloud_id}"))
            except Missing:
                self._listing.forget(cloud_id)
                continue
            told = self._told({"servers": [answer.body.get("server")]})[0]
            if told.is_hidden:
                raise Transient(f"the part of the cloud that knows server {server} does not answer")
            found += [told.ours] if told.ours is not None and not told.is_gone else []
        return found or await self._named(server)

    async def _absence(self, server: ServerId) -> Missing | Transient:
        """Give the error about a server that is not found: gone, or behind a part of the cloud that is down (OS7)."""
        if not self._listing.is_complete:
            await self.servers()
        if not self._listing.is_complete:
            return Transient(f"server {server} is not found, but a part of the cloud does not answer")
        return Missing(f"server {server} is not there", project=await self._door.project())

    def _told(self, body: Mapping[str, Any]) -> list[Told]:
        try:
            return [servers.read(item, self._environment, self._settings.networks) for item in body["servers"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise failures.garbled("compute servers", is_mutation=False) from error

    # Mutations

    async def _delete(self, cloud_id: CloudId, permit: Permit) -> bool:
        """Ask for one deletion; tell whether there was anything to delete."""
        try:
            await self._door.change(_call("DELETE", f"/servers/{cloud_id}"), permit=permit)
        except Missing:
            self._listing.forget(cloud_id)
            return False
        return True

    async def _body(self, spec: ServerSpec) -> Mapping[str, Any]:
        """Write what nova is asked for. Errors: Rejected, when something in it has no such name."""
        settings, names = self._settings, self._names
        image, flavor = spec.recipe.image or settings.image, spec.recipe.flavor or settings.flavor
        if not image or not flavor:
            raise Rejected(f"pool {spec.pool} has no {'image' if not image else 'flavor'}, nor has [cloud.openstack]")
        server: dict[str, Any] = {
            "name": name_of(spec.environment, spec.server),
            "imageRef": await names.image(image),
            "flavorRef": await names.flavor(flavor),
            "metadata": servers.metadata_of(spec),
            "availability_zone": spec.az,
            "user_data": user_data(await self._fetchable(spec), self._download),
            "networks": [{"uuid": await names.network(name)} for name in settings.networks] or "auto",
        }
        if settings.config_drive:
            server["config_drive"] = True
        if settings.keypair is not None:
            server["key_name"] = settings.keypair
        if settings.security_groups:
            server["security_groups"] = [{"name": name} for name in settings.security_groups]
        body: dict[str, Any] = {"server": server}
        if settings.server_group is not None:
            body["os:scheduler_hints"] = {"group": await names.server_group(settings.server_group)}
        return body

    async def _fetchable(self, spec: ServerSpec) -> ServerSpec:
        """Have modules that lie on this machine fetched from it. Errors: Rejected."""
        puppet = spec.recipe.puppet
        if puppet is None or puppet.archive is None or puppet.archive.file is None:
            return spec
        if self._shelf is None:
            raise Rejected(f"pool {spec.pool}: this hfs serves no modules: start it again")  # it had none to serve then
        archive = await self._shelf.lend(puppet.archive)
        return replace(spec, recipe=replace(spec.recipe, puppet=replace(puppet, archive=archive)))

    @asynccontextmanager
    async def _turn(self, server: ServerId) -> AsyncIterator[None]:
        """Let one caller at a time look for a server and act upon what it has found."""
        turn = self._turns.setdefault(server, _Turn(trio.Lock()))
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[server]


def _call(
    method: str, path: str, query: Mapping[str, str] | None = None, *, body: Mapping[str, Any] | None = None
) -> Call:
    return Call(api=Api.COMPUTE, method=method, path=path, query=query or {}, body=body, microversion=VERSION)


def _next(body: Mapping[str, Any]) -> Call | None:
    """Give the call for the next page, if there is one; its URL may name a host that only the cloud knows."""
    for link in body.get("servers_links", ()):
        if link.get("rel") == "next":
            return _call("GET", "/servers/detail", dict(parse_qsl(urlsplit(str(link["href"])).query)))
    return None


def _already(spec: ServerSpec, found: CloudServer) -> CloudServer:
    """Give the server that was made for this very creation. Errors: Conflict."""
    if found.nonce != spec.nonce:
        raise Conflict(f"server {spec.server} exists with another nonce")
    if found.status is CloudStatus.DELETING:
        raise Conflict(f"server {spec.server} is being deleted")
    return found
