"""A proxy between a client and a cloud's APIs, through which a share of all calls goes wrong.

It stands for all services: `/compute/...` goes to nova, and so on. A call fails in one of three ways: it never
arrives, it arrives and nobody hears of it, or it is answered with 503 by somebody before the service.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from sim.wire.openstack.http import Ending, Request, Response

REAL: Final = {
    "identity": "http://127.0.0.1:5000",
    "placement": "http://127.0.0.1:8778",
    "image": "http://127.0.0.1:9292",
    "compute": "http://127.0.0.1:8774",
    "network": "http://127.0.0.1:9696",
    "load-balancer": "http://127.0.0.1:9876",
}
"""Where the services of the control plane of tests/openstack are."""

_OWN: Final = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding"})
"""Headers of one way only."""


class FaultProxy:
    """Hands calls on; give it `handle` to serve. `share` of them goes wrong, as the dice of `seed` fall.

    It counts them by what became of them, by method and service, and those that the service itself has `rejected`.
    """

    def __init__(self, client: httpx.AsyncClient, upstreams: Mapping[str, str], *, share: float, seed: int = 1) -> None:
        self._client: Final = client
        self._upstreams: Final = dict(upstreams)
        self._dice: Final = random.Random(seed)
        self.share = share
        self.counts: Final = Counter[str]()

    async def handle(self, request: Request) -> Response:
        """Answer one request, or do not."""
        fate = "well"
        if self._dice.random() < self.share:
            fate = self._dice.choice(("lost", "late", "503"))
        self.counts[fate] += 1
        self.counts[f"{request.method} {request.path.split('/')[1]}"] += 1
        if fate == "lost":
            return Response(ending=Ending.RESET)
        if fate == "503":
            return Response(status=HTTPStatus.SERVICE_UNAVAILABLE, raw=b"<html>no server is available</html>")
        response = await self._hand_on(request)
        return Response(ending=Ending.SILENCE) if fate == "late" else response

    async def _hand_on(self, request: Request) -> Response:
        _, service, *rest = request.path.split("/")
        headers = {name: value for name, value in request.headers.items() if name not in _OWN}
        try:
            told = await self._client.request(
                request.method,
                "/".join([self._upstreams[service], *rest]),
                params=dict(request.query),
                headers=headers,
                content=request.body,
            )
        except httpx.TransportError:
            return Response(status=HTTPStatus.BAD_GATEWAY)
        if told.status_code >= HTTPStatus.BAD_REQUEST:
            self.counts["rejected"] += 1
        kept = {name: value for name, value in told.headers.items() if name not in {*_OWN, "content-encoding", "date"}}
        return Response(status=told.status_code, raw=told.content, headers=kept)


def through(clouds_file: Path, entry: str, port: int, directory: Path) -> Path:
    """Write a clouds.yaml like another one, whose entry leads through a proxy on a port of loopback."""
    import yaml

    clouds = yaml.safe_load(clouds_file.read_text())
    found = clouds["clouds"][entry]
    found["auth"]["auth_url"] = f"http://127.0.0.1:{port}/identity/v3"
    for service in ("compute", "network", "image", "load-balancer"):
        found[f"{service.replace('-', '_')}_endpoint_override"] = f"http://127.0.0.1:{port}/{service}"
    path = directory / "clouds-through-proxy.yaml"
    path.write_text(json.dumps(clouds))
    return path
