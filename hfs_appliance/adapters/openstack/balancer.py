"""The LoadBalancer port over Octavia: one load balancer with one listener and one pool, known by its name.

It is made in one call with all that belongs to it, and its members are replaced in one call: Octavia takes one change
at a time (OS16), and refuses every other one with 409 until that is done. Nothing here waits or repeats.

Octavia has no idempotence key: a creation whose answer was lost may come late, beside the one that was asked for after
it. Of several that carry our name and our description the oldest is the one, and the others may go; one that carries
the name alone is somebody else's, and then nothing is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from hfs_appliance.adapters.openstack import failures
from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.adapters.openstack.names import Names
from hfs_appliance.model.balancer import BalancerMember, BalancerState, BalancerView, Place, member_set
from hfs_appliance.model.desired import BalancerSettings
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Permit, unconditional
from hfs_appliance.ports.errors import Conflict, Missing, Rejected, Transient
from hfs_appliance.proxy.table import HEALTH_PATH

_BALANCERS: Final = "/lbaas/loadbalancers"
_ONLINE: Final = "ONLINE"
_GONE: Final = "DELETED"
_MONITOR: Final[Mapping[str, Any]] = {
    "type": "HTTP",
    "url_path": HEALTH_PATH,
    "expected_codes": "200",
    "delay": 5,
    "timeout": 3,
    "max_retries": 2,
    "max_retries_down": 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A load balancer of our name."""

    id: str
    status: str
    address: str
    pools: Sequence[str]
    description: str
    since: str
    """When it was made, to the second."""

    @property
    def is_pending(self) -> bool:
        """Tell whether it is being changed."""
        return _state(self.status) is BalancerState.PENDING


class OctaviaBalancer:
    """The load balancer of one environment in one project; implements the port's LoadBalancer."""

    def __init__(
        self,
        environment: EnvironmentName,
        settings: BalancerSettings,
        networks: Sequence[str],
        door: Door,
        clock: Clock,
    ) -> None:
        """`networks` are the servers': the first one is the load balancer's, too, if its settings name none."""
        self.name: Final = f"hfs-{environment}"
        self._description: Final = f"made by hfs for the environment {environment}"
        self._settings: Final = settings
        self._network: Final = settings.network or next(iter(networks), "")
        self._door: Final = door
        self._names: Final = Names(door, clock)

    async def look(self) -> BalancerView:
        """Read its state, then its members: what is told of them is not older than the state."""
        all_found = await self._found()
        if not all_found:
            return BalancerView(state=BalancerState.ABSENT)
        found, *spares = all_found
        state = _state(found.status)
        try:
            told = await self._door.ask(_call("GET", f"/lbaas/pools/{self._pool(found)}/members"))
        except (Conflict, Missing) as error:  # while it is removed, its parts go before it does
            again = await self._found()
            if not again:
                return BalancerView(state=BalancerState.ABSENT)
            if again[0].is_pending:
                return BalancerView(
                    state=BalancerState.PENDING, address=again[0].address, name=self.name, spares=len(again) - 1
                )
            raise Transient(f"{self.name} is being changed: {error.words}") from error
        try:
            weights = {_place(item): int(item["weight"]) for item in told.body["members"]}
            well = frozenset(_place(item) for item in told.body["members"] if item["operating_status"] == _ONLINE)
        except (KeyError, TypeError, ValueError) as error:
            raise failures.garbled("load-balancer members", is_mutation=False) from error
        return BalancerView(
            state=state,
            members=member_set(weights),
            answering=well,
            address=found.address,
            name=self.name,
            spares=len(spares),
        )

    async def create(self, members: tuple[BalancerMember, ...], *, permit: Permit = unconditional) -> None:
        """Have it made, with its listener, its pool and its monitor. Errors: Conflict, Ambiguous."""
        if await self._found():
            raise Conflict(f"load balancer {self.name} is there")
        if not self._network:
            raise Rejected("[balancer] network: say in which network the load balancer gets its address")
        body = self._body(await self._names.network(self._network), members)
        await self._door.change(_call("POST", _BALANCERS, body=body), permit=permit)

    async def replace(self, members: tuple[BalancerMember, ...], *, permit: Permit = unconditional) -> None:
        """Have exactly these members. Errors: Conflict, Missing, Ambiguous."""
        pool = self._pool(await self._demand())
        body = {"members": [_member(member) for member in members]}
        await self._door.change(_call("PUT", f"/lbaas/pools/{pool}/members", body=body), permit=permit)

    async def sweep(self, *, permit: Permit = unconditional) -> None:
        """Have the younger ones removed; one that is being made or removed takes no change. Errors: Ambiguous."""
        for spare in (await self._found())[1:]:
            if not spare.is_pending:
                with suppress(Conflict, Missing):
                    await self._remove(spare, permit)

    async def delete(self, *, permit: Permit = unconditional) -> None:
        """Have it removed with all that belongs to it. Errors: Conflict, Missing, Ambiguous."""
        await self._remove(await self._demand(), permit)

    async def _remove(self, found: _Found, permit: Permit) -> None:
        await self._door.change(_call("DELETE", f"{_BALANCERS}/{found.id}", {"cascade": "true"}), permit=permit)

    async def _found(self) -> list[_Found]:
        """Find those that carry our name, the one that counts first. Errors: Rejected, when some are not ours."""
        query = {"name": self.name, "project_id": await self._door.project()}
        told = await self._door.ask(_call("GET", _BALANCERS, query))
        try:
            found = [
                _Found(
                    id=str(item["id"]),
                    status=str(item["provisioning_status"]),
                    address=str(item.get("vip_address") or ""),
                    pools=[str(pool["id"]) for pool in item["pools"]],
                    description=str(item.get("description") or ""),
                    since=str(item.get("created_at") or ""),
                )
                for item in told.body["loadbalancers"]
                if item["name"] == self.name and item["provisioning_status"] != _GONE
            ]
        except (KeyError, TypeError) as error:
            raise failures.garbled("load-balancer list", is_mutation=False) from error
        if len(found) > 1 and any(each.description != self._description for each in found):
            ids = " or ".join(sorted(each.id for each in found)[:3])
            raise Rejected(f"{len(found)} load balancers are called {self.name}: delete all but one of {ids}")
        return sorted(found, key=lambda each: (each.since, each.id))

    async def _demand(self) -> _Found:
        found = await self._found()
        if not found:
            raise Missing(f"load balancer {self.name} is not there")
        return found[0]

    def _pool(self, found: _Found) -> str:
        if not found.pools and found.is_pending:
            raise Conflict(f"load balancer {self.name} is being made or removed")
        if len(found.pools) != 1:
            raise Rejected(f"load balancer {self.name} has {len(found.pools)} pools in place of one: it is not ours")
        return found.pools[0]

    def _body(self, network: str, members: tuple[BalancerMember, ...]) -> Mapping[str, Any]:
        pool = {
            "name": self.name,
            "protocol": "HTTP",
            "lb_algorithm": "LEAST_CONNECTIONS",
            "healthmonitor": {"name": self.name, **_MONITOR},
            "members": [_member(member) for member in members],
        }
        listener = {
            "name": self.name,
            "protocol": "HTTP",
            "protocol_port": self._settings.port,
            "insert_headers": {"X-Forwarded-For": "true"},
            "default_pool": {"name": self.name},
        }
        balancer = {
            "name": self.name,
            "description": self._description,
            "vip_network_id": network,
            "listeners": [listener],
            "pools": [pool],
        }
        return {"loadbalancer": balancer}


def _call(
    method: str, path: str, query: Mapping[str, str] | None = None, *, body: Mapping[str, Any] | None = None
) -> Call:
    return Call(api=Api.LOAD_BALANCER, method=method, path=path, query=query or {}, body=body)


def _state(status: str) -> BalancerState:
    """Read a provisioning status; one that nobody knows is one in which nothing can be changed."""
    if status == "ACTIVE":
        return BalancerState.ACTIVE
    return BalancerState.PENDING if status.startswith("PENDING_") else BalancerState.ERROR


def _place(item: Mapping[str, Any]) -> Place:
    return Place(str(item["address"]), int(item["protocol_port"]))


def _member(member: BalancerMember) -> Mapping[str, Any]:
    place = member.place
    return {
        "name": str(place),
        "address": place.address,
        "protocol_port": place.port,
        "weight": member.weight,
    }
