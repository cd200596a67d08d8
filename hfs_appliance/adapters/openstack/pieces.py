"""Pieces of the foundation as the cloud tells them, and the calls that bring them to what is wanted. Pure.

A piece is known by its name, which is given to it by the very call that makes it: `hfs_<environment>_<name>`, an
underscore being in no name of ours. So what a process has made that was killed is found by the next one, and asked for
once more is made once more (no API here has an idempotence key): of several of one name the oldest stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.model.desired import OpenStackCloud
from hfs_appliance.model.foundation import MEMBERS, RULE, Foundation, FoundationNetwork
from hfs_appliance.model.ids import EnvironmentName

GROUPS_VERSION: Final = "2.64"
"""Of nova's API: the first in which a server group has one policy."""
_ANYWHERE: Final = "0.0.0.0/0"


class Kind(StrEnum):
    """What a piece is; its value is how people call it."""

    NETWORK = "network"
    SUBNET = "subnet"
    ROUTER = "router"
    INTERFACE = "router interface"
    GROUP = "security group"
    KEY = "key pair"
    PLACEMENT = "server group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece that is there."""

    kind: Kind
    name: str
    """Without what the cloud's name of it begins with; of a subnet, router or interface: its network's."""
    id: str
    of: str = ""
    """Id of what it is part of: of a subnet its network, of an interface its router."""
    since: str = ""
    """When it was made; where that is not told, whether it is used."""
    detail: Any = None
    """Its CIDR, its rules, its public key, its policy."""

    @property
    def words(self) -> str:
        """Name it to people."""
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call, and what it is for."""

    words: str
    call: Call


def full_name(environment: EnvironmentName, name: str) -> str:
    """Give what a piece is called in the cloud."""
    return f"hfs_{environment}_{name}"


def resolved(environment: EnvironmentName, settings: OpenStackCloud) -> OpenStackCloud:
    """Give the settings with names as the cloud knows them: those of the foundation's pieces become the cloud's."""
    foundation = settings.foundation

    def named(name: str, pieces: Mapping[str, Any]) -> str:
        return full_name(environment, name) if name in pieces else name

    keypair, group = settings.keypair, settings.server_group
    return replace(
        settings,
        networks=tuple(named(name, foundation.network) for name in settings.networks),
        security_groups=tuple(named(name, foundation.security_group) for name in settings.security_groups),
        keypair=None if keypair is None else named(keypair, foundation.keypair),
        server_group=None if group is None else named(group, foundation.server_group),
    )


# What is there


def listings(project: str) -> Mapping[Kind, Call]:
    """Give the calls whose answers tell of every piece."""
    mine = {"project_id": project}
    return {
        Kind.NETWORK: Call(api=Api.NETWORK, method="GET", path="/networks", query=mine),
        Kind.SUBNET: Call(api=Api.NETWORK, method="GET", path="/subnets", query=mine),
        Kind.ROUTER: Call(api=Api.NETWORK, method="GET", path="/routers", query=mine),
        Kind.INTERFACE: Call(
            api=Api.NETWORK, method="GET", path="/ports", query={**mine, "device_owner": "network:router_interface"}
        ),
        Kind.GROUP: Call(api=Api.NETWORK, method="GET", path="/security-groups", query=mine),
        Kind.KEY: Call(api=Api.COMPUTE, method="GET", path="/os-keypairs"),
        Kind.PLACEMENT: Call(api=Api.COMPUTE, method="GET", path="/os-server-groups", microversion=GROUPS_VERSION),
    }


def read(environment: EnvironmentName, answers: Mapping[Kind, Mapping[str, Any]]) -> tuple[Piece, ...]:
    """Read the answers to `listings`; what is not ours is left out. Errors: KeyError, TypeError, ValueError."""
    prefix = full_name(environment, "")

    def ours(kind: Kind, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for item in answers[kind][key]:
            body = item.get("keypair", item)
            if body["name"].startswith(prefix):
                yield body["name"].removeprefix(prefix), body

    found = [
        Piece(kind=Kind.NETWORK, name=name, id=body["id"], since=str(body.get("created_at", "")))
        for name, body in ours(Kind.NETWORK, "networks")
    ]
    found += [
        Piece(
            kind=Kind.SUBNET,
            name=name,
            id=body["id"],
            of=body["network_id"],
            since=str(body.get("created_at", "")),
            detail=body["cidr"],
        )
        for name, body in ours(Kind.SUBNET, "subnets")
    ]
    routers = [
        Piece(kind=Kind.ROUTER, name=name, id=body["id"], since=str(body.get("created_at", "")))
        for name, body in ours(Kind.ROUTER, "routers")
    ]
    names = {router.id: router.name for router in routers}
    interfaces = [
        Piece(
            kind=Kind.INTERFACE,
            name=names[port["device_id"]],
            id=port["fixed_ips"][0]["subnet_id"],
            of=port["device_id"],
        )
        for port in answers[Kind.INTERFACE]["ports"]
        if port["device_id"] in names and port["fixed_ips"]
    ]
    found += [*routers, *interfaces]
    found += [
        Piece(
            kind=Kind.GROUP,
            name=name,
            id=body["id"],
            since=str(body.get("created_at", "")),
            detail=frozenset(map(_rule_told, body["security_group_rules"])),
        )
        for name, body in ours(Kind.GROUP, "security_groups")
    ]
    found += [
        Piece(kind=Kind.KEY, name=name, id=body["name"], detail=_key(body["public_key"]))
        for name, body in ours(Kind.KEY, "keypairs")
    ]
    found += [
        Piece(
            kind=Kind.PLACEMENT,
            name=name,
            id=body["id"],
            since="" if body.get("members") else "unused",
            detail=body.get("policy"),
        )
        for name, body in ours(Kind.PLACEMENT, "server_groups")
    ]
    return tuple(sorted(found, key=lambda piece: (piece.kind, piece.name, piece.since, piece.id)))


# What is to be done


def missing(
    environment: EnvironmentName, foundation: Foundation, found: Sequence[Piece], external: Mapping[str, str]
) -> list[Step]:
    """Give all that can be done now towards what is wanted; nothing: it is there, once each.

    `external` gives the ids of the networks that routers lead to, by their names.
    """
    steps = [_removal(spare, "a second one") for spare in spares(found)]
    first = {(piece.kind, piece.name): piece for piece in reversed(found)}
    for name, network in sorted(foundation.network.items()):
        steps += _network(environment, name, network, first, external)
    for name, group in sorted(foundation.security_group.items()):
        there = first.get((Kind.GROUP, name))
        if there is None:
            steps.append(_make(environment, Kind.GROUP, name, Api.NETWORK, "/security-groups", "security_group", {}))
            continue
        steps += [
            Step(
                words=f"rule {rule} of security group {name}",
                call=_post(Api.NETWORK, "/security-group-rules", {"security_group_rule": _rule_body(rule, there.id)}),
            )
            for rule in group.allow
            if _rule_wanted(rule, there.id) not in there.detail
        ]
    for name, key in sorted(foundation.keypair.items()):
        if (Kind.KEY, name) not in first:
            body = {"public_key": key.public_key}
            steps.append(_make(environment, Kind.KEY, name, Api.COMPUTE, "/os-keypairs", "keypair", body))
    for name, placement in sorted(foundation.server_group.items()):
        if (Kind.PLACEMENT, name) not in first:
            made = {"name": full_name(environment, name), "policy": placement.policy}
            call = replace(_post(Api.COMPUTE, "/os-server-groups", {"server_group": made}), microversion=GROUPS_VERSION)
            steps.append(Step(words=f"server group {name}", call=call))
    return steps


def _network(
    environment: EnvironmentName,
    name: str,
    network: FoundationNetwork,
    first: Mapping[tuple[Kind, str], Piece],
    external: Mapping[str, str],
) -> Iterator[Step]:
    there, subnet, router = (first.get((kind, name)) for kind in (Kind.NETWORK, Kind.SUBNET, Kind.ROUTER))
    if there is None:
        yield _make(environment, Kind.NETWORK, name, Api.NETWORK, "/networks", "network", {})
    elif subnet is None:
        body = {
            "network_id": there.id,
            "ip_version": 4,
            "cidr": network.cidr,
            "dns_nameservers": list(network.name_servers),
        }
        yield _make(environment, Kind.SUBNET, name, Api.NETWORK, "/subnets", "subnet", body)
    if not network.external:
        return
    if router is None:
        gateway = {"external_gateway_info": {"network_id": external[network.external]}}
        yield _make(environment, Kind.ROUTER, name, Api.NETWORK, "/routers", "router", gateway)
    elif subnet is not None and (Kind.INTERFACE, name) not in first:
        call = Call(
            api=Api.NETWORK,
            method="PUT",
            path=f"/routers/{router.id}/add_router_interface",
            body={"subnet_id": subnet.id},
        )
        yield Step(words=f"router interface {name}", call=call)


def spares(found: Iterable[Piece]) -> list[Piece]:
    """Give what is there a second time: a creation that came late, or two bootstraps at once."""
    kept, spare = set[tuple[Kind, str, str]](), []
    pieces = sorted(found, key=lambda piece: (piece.since, piece.id))
    for piece in pieces:
        one = (piece.kind, piece.name, piece.of)
        if one in kept:
            spare.append(piece)
        kept.add(one)
    leaving = {piece.id for piece in spare}
    return [*(piece for piece in pieces if piece.kind is Kind.INTERFACE and piece.of in leaving), *spare]


def removable(found: Sequence[Piece]) -> list[Step]:
    """Give all that can be removed now: what others stand on goes after them."""
    interfaces = {piece.of for piece in found if piece.kind is Kind.INTERFACE}
    joined = {piece.name for piece in found if piece.kind is Kind.INTERFACE}
    return [
        _removal(piece, "")
        for piece in found
        if piece.kind is not Kind.SUBNET  # they go with their networks
        and not (piece.kind is Kind.ROUTER and piece.id in interfaces)
        and not (piece.kind is Kind.NETWORK and piece.name in joined)
    ]


def differences(foundation: Foundation, found: Iterable[Piece]) -> list[str]:
    """Say what is there otherwise than the file says: nothing that stands is changed under servers that use it."""
    wanted: dict[tuple[Kind, str], str] = {
        **{(Kind.SUBNET, name): network.cidr for name, network in foundation.network.items()},
        **{(Kind.KEY, name): _key(key.public_key) for name, key in foundation.keypair.items()},
        **{(Kind.PLACEMENT, name): placement.policy for name, placement in foundation.server_group.items()},
    }
    return [
        f"{piece.words} is there as {piece.detail}, not as {wanted[piece.kind, piece.name]}; hfs leaves it as it is"
        for piece in found
        if (piece.kind, piece.name) in wanted and piece.detail != wanted[piece.kind, piece.name]
    ]


_PATHS: Final[Mapping[Kind, tuple[Api, str]]] = {
    Kind.NETWORK: (Api.NETWORK, "/networks"),
    Kind.SUBNET: (Api.NETWORK, "/subnets"),
    Kind.ROUTER: (Api.NETWORK, "/routers"),
    Kind.GROUP: (Api.NETWORK, "/security-groups"),
    Kind.KEY: (Api.COMPUTE, "/os-keypairs"),
    Kind.PLACEMENT: (Api.COMPUTE, "/os-server-groups"),
}


def _removal(piece: Piece, why: str) -> Step:
    words = f"{piece.words}, {why}" if why else piece.words
    if piece.kind is Kind.INTERFACE:
        path = f"/routers/{piece.of}/remove_router_interface"
        return Step(words=words, call=Call(api=Api.NETWORK, method="PUT", path=path, body={"subnet_id": piece.id}))
    api, path = _PATHS[piece.kind]
    return Step(words=words, call=Call(api=api, method="DELETE", path=f"{path}/{piece.id}"))


def _make(
    environment: EnvironmentName, kind: Kind, name: str, api: Api, path: str, key: str, body: Mapping[str, Any]
) -> Step:
    made = {"name": full_name(environment, name), **body}
    if api is Api.NETWORK:
        made["description"] = f"made by hfs for the environment {environment}"
    return Step(words=f"{kind.value} {name}", call=_post(api, path, {key: made}))


def _post(api: Api, path: str, body: Mapping[str, Any]) -> Call:
    return Call(api=api, method="POST", path=path, body=body)


# Rules of security groups: (protocol, lowest port, highest port, CIDR, group)


def _rule_wanted(rule: str, group: str) -> tuple[str, int | None, int | None, str, str]:
    found = RULE.fullmatch(rule)
    assert found is not None, f"not checked when it was read: {rule}"
    low = int(found["low"]) if found["low"] else None
    high = int(found["high"]) if found["high"] else low
    source = found["source"] or _ANYWHERE
    is_members = source == MEMBERS
    return found["protocol"], low, high, "" if is_members else source, group if is_members else ""


def _rule_told(body: Mapping[str, Any]) -> tuple[str, int | None, int | None, str, str]:
    protocol = str(body.get("protocol")) if body["direction"] == "ingress" else "out"
    group = body.get("remote_group_id") or ""
    source = body.get("remote_ip_prefix") or ("" if group else _ANYWHERE)
    return protocol, body.get("port_range_min"), body.get("port_range_max"), source, group


def _rule_body(rule: str, group: str) -> Mapping[str, Any]:
    protocol, low, high, prefix, members = _rule_wanted(rule, group)
    return {
        "security_group_id": group,
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": protocol,
        "port_range_min": low,
        "port_range_max": high,
        "remote_ip_prefix": prefix or None,
        "remote_group_id": members or None,
    }


def _key(public_key: str) -> str:
    """Give a public key without its comment, which nobody compares."""
    return " ".join(public_key.split()[:2])
