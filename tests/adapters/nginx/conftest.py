"""A real nginx on a free port of loopback, and small web services behind it."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import h11
import httpx
import pytest
import trio

from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Duration, seconds
from hfs_appliance.proxy.table import Member, Route, RouteTable

DEADLINE_S = 60


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Upstream:
    """One instance: answers with what it was asked; `/status/<code>` and `/moved` are answered as they say."""

    address: str
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """`METHOD target` of each request."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def member(self) -> Member:
        return Member(address=self.address, port=self.port, version=Version("1"), instance=f"at-{self.address}")

    def die(self) -> None:
        self.scope.cancel()

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            listeners = await trio.open_tcp_listeners(self.port, host=self.address)
            self.port = listeners[0].socket.getsockname()[1]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, self._talk, listeners)
                task_status.started()

    async def _talk(self, stream: trio.SocketStream) -> None:
        http = h11.Connection(h11.SERVER)
        with suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
            while True:
                body = b""
                request = None
                while not isinstance(event := http.next_event(), h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        http.receive_data(await stream.receive_some())
                    elif isinstance(event, h11.ConnectionClosed):
                        return
                    elif isinstance(event, h11.Request):
                        request = event
                    elif isinstance(event, h11.Data):
                        body += event.data
                assert request is not None
                await stream.send_all(self._answer(http, request, body))
                http.start_next_cycle()

    def _answer(self, http: h11.Connection, request: h11.Request, body: bytes) -> bytes:
        target = request.target.decode()
        self.asked.append(f"{request.method.decode()} {target}")
        code, headers = 200, {"Content-Type": "application/json", "X-Request-ID": "from the service"}
        if target.startswith("/status/"):
            code = int(target.removeprefix("/status/"))
        elif target == "/moved":
            code, headers = 302, {"Location": "/elsewhere?a=b", "Set-Cookie": "a=b; Path=/"}
        elif target == "/accel":
            headers = {"X-Accel-Redirect": "/domains/secret"}
        said = {
            "by": self.address,
            "target": target,
            "headers": {name.decode(): value.decode() for name, value in request.headers},
            "body": body.decode(),
        }
        content = json.dumps(said).encode()
        head = h11.Response(status_code=code, headers=[*headers.items(), ("Content-Length", str(len(content)))])
        parts = (http.send(head), http.send(h11.Data(data=content)), http.send(h11.EndOfMessage()))
        return b"".join(part or b"" for part in parts)


@dataclass
class Site:
    """A proxy, its endpoint and a client that does not retry."""

    proxy: NginxProxy
    directory: Path
    port: int
    client: httpx.AsyncClient
    nursery: trio.Nursery
    connect_timeout: Duration = seconds(1)
    response_timeout: Duration = seconds(10)

    async def upstream(self, address: str) -> Upstream:
        started = Upstream(address)
        await self.nursery.start(started.serve)
        return started

    def table(self, services: Mapping[str, tuple[Member, ...]], *, base_path: str = "/") -> RouteTable:
        return RouteTable(
            address="127.0.0.1",
            port=self.port,
            connect_timeout=self.connect_timeout,
            response_timeout=self.response_timeout,
            routes={
                ServiceName(name): Route(service=ServiceName(name), base_path=base_path, members=tuple(sorted(members)))
                for name, members in services.items()
            },
        )

    async def publish(self, **services: tuple[Member, ...]) -> None:
        await self.proxy.publish(self.table(services))

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def master(self) -> int:
        """Give the pid of nginx's master process."""
        return int((self.directory / "nginx.pid").read_text())


@pytest.fixture
async def site(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Site]:
    port = free_port()
    proxy = NginxProxy(tmp_path / "nginx")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        made = Site(proxy=proxy, directory=tmp_path / "nginx", port=port, client=client, nursery=nursery)
        yield made
        with trio.fail_after(DEADLINE_S):
            await made.proxy.stop()
