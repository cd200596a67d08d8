"""Keypairs and server groups of compute: what servers are made with, and what tenants make themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from itertools import count
from typing import Any, Final

from sim.wire.openstack.http import Request, Response
from sim.wire.openstack.network import fixed_id
from sim.wire.openstack.router import ApiError, Route, content

KEYS: Final = ("operators",)
GROUPS: Final = ("spread",)


class Keys:
    """The keypairs of the one user, whose names are unique, and the server groups, whose names are not."""

    def __init__(self, members: Callable[[str], Sequence[str]]) -> None:
        """`members` gives the servers of a server group."""
        self._members: Final = members
        self._made: Final = count(1)
        self.pairs: Final[dict[str, Mapping[str, Any]]] = {
            name: {"name": name, "type": "ssh", "public_key": f"ssh-ed25519 AAAA {name}"} for name in KEYS
        }
        self.groups: Final[dict[str, Mapping[str, Any]]] = {
            fixed_id(name): {"id": fixed_id(name), "name": name, "policy": "soft-anti-affinity"} for name in GROUPS
        }
        self.routes: Sequence[Route] = (
            ("GET", "/v2.1/os-keypairs", self._list_pairs),
            ("GET", "/v2.1/os-keypairs/{name}", self._show_pair),
            ("POST", "/v2.1/os-keypairs", self._make_pair),
            ("DELETE", "/v2.1/os-keypairs/{name}", self._remove_pair),
            ("GET", "/v2.1/os-server-groups", self._list_groups),
            ("GET", "/v2.1/os-server-groups/{group}", self._show_group),
            ("POST", "/v2.1/os-server-groups", self._make_group),
            ("DELETE", "/v2.1/os-server-groups/{group}", self._remove_group),
        )

    def _list_pairs(self, _request: Request) -> Response:
        return Response(body={"keypairs": [{"keypair": pair} for pair in self.pairs.values()]})

    def _make_pair(self, request: Request) -> Response:
        body = content(request, "keypair")
        if body["name"] in self.pairs:
            raise ApiError(HTTPStatus.CONFLICT, f"Key pair '{body['name']}' already exists.")
        self.pairs[body["name"]] = {**body, "type": "ssh"}
        return Response(body={"keypair": self.pairs[body["name"]]})

    def _show_pair(self, _request: Request, name: str) -> Response:
        if name not in self.pairs:
            raise ApiError(HTTPStatus.NOT_FOUND, f"Keypair {name} not found")
        return Response(body={"keypair": self.pairs[name]})

    def _remove_pair(self, request: Request, name: str) -> Response:
        self._show_pair(request, name)
        del self.pairs[name]
        return Response(status=HTTPStatus.ACCEPTED)

    def _list_groups(self, _request: Request) -> Response:
        return Response(body={"server_groups": [self._shown(group) for group in self.groups.values()]})

    def _show_group(self, _request: Request, group: str) -> Response:
        if group not in self.groups:
            raise ApiError(HTTPStatus.NOT_FOUND, f"Instance group {group} could not be found.")
        return Response(body={"server_group": self._shown(self.groups[group])})

    def _shown(self, group: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**group, "members": list(self._members(group["id"]))}

    def _make_group(self, request: Request) -> Response:
        made = {**content(request, "server_group"), "id": fixed_id(f"made-group-{next(self._made)}")}
        self.groups[made["id"]] = made
        return Response(body={"server_group": self._shown(made)})

    def _remove_group(self, request: Request, group: str) -> Response:
        self._show_group(request, group)
        del self.groups[group]
        return Response(status=HTTPStatus.NO_CONTENT)
