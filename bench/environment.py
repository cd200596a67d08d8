"""The local environment as its user sees it: from the command to converged, from a registration to its first request,
from a dead server to its replacement in traffic.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import tomli
import trio

from bench.measure import Spread
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.model.ids import EnvironmentName, ServiceName, Version
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.observed import Registration
from hfs_appliance.ports.registry import Registry, SessionState
from hfs_appliance.registry.curator import write_registration
from hfs_appliance.registry.paths import Layout
from tests.support.appliance import LOCAL, ROOT, Appliance

STARTS: Final = 3
REGISTRATIONS: Final = 20
KILLS: Final = 5
SERVICE: Final = ServiceName("dns")
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Instance: bench\r\n\r\nok"
RELOAD_PAUSE_S: Final = 1.2
"""Reloads are a second apart; each registration is to be the first of its burst."""


async def run() -> dict[str, object]:
    """Build the environment some times, then register and kill in the last one."""
    findings: dict[str, object] = {}
    starts: list[int] = []
    for number in range(STARTS):
        with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
            appliance = Appliance.prepare([ROOT / "dist" / "hfs"], Path(directory), LOCAL.read_text())
            try:
                starts.append(await time_start(appliance))
                if number == STARTS - 1:
                    findings["registration → first proxied request"] = await time_registrations(appliance)
                    findings["kill of a server → replacement in traffic"] = await time_kills(appliance)
            finally:
                appliance.clean()
    return {"command → converged (4 services, 10 instances, pool of 2)": Spread.of(starts), **findings}


async def time_start(appliance: Appliance) -> int:
    began = SystemClock().now()
    appliance.start()
    await appliance.converged(within_s=180)
    return SystemClock().now() - began


async def time_registrations(appliance: Appliance) -> Spread:
    """Register an instance of our own, wait until the endpoint sends it a request, take it back; repeat."""
    durations: list[int] = []
    clock = SystemClock()
    path = Layout(EnvironmentName("local")).registration(SERVICE, "bench")
    async with serving() as port, session(appliance) as registry, httpx.AsyncClient(trust_env=False) as client:
        entry = Registration(
            service=SERVICE, instance="bench", version=Version("1.0.0"), address="127.0.0.1", port=port
        )
        for _ in range(REGISTRATIONS):
            began = clock.now()
            await registry.create(path, write_registration(entry, began), is_ephemeral=True)
            await until_instance(client, appliance, "bench", is_there=True)
            durations.append(clock.now() - began)
            await trio.sleep(RELOAD_PAUSE_S)
            await registry.delete(path)
            await until_instance(client, appliance, "bench", is_there=False)
            await trio.sleep(RELOAD_PAUSE_S)
    return Spread.of(durations)


async def time_kills(appliance: Appliance) -> Spread:
    """Kill a server, wait until another one that was not there before answers through the endpoint."""
    durations: list[int] = []
    clock = SystemClock()
    for _ in range(KILLS):
        await appliance.converged(within_s=120)
        victim = appliance.server(SERVICE).name
        last = (await appliance.events())[-1]["seq"]
        began = clock.now()
        await appliance.post(f"/servers/{victim}/kill")
        claimed = await appliance.told("action-started", last, action="claim", service=SERVICE)
        replacement = claimed["fields"]["server"]
        address = next(s["address"] for s in await appliance.get("/servers") if s["server"] == replacement)
        async with httpx.AsyncClient(trust_env=False) as client:
            await until_instance(client, appliance, f"{address}:9000", is_there=True)
        durations.append(clock.now() - began)
    return Spread.of(durations)


async def until_instance(client: httpx.AsyncClient, appliance: Appliance, name: str, *, is_there: bool) -> None:
    """Ask the endpoint until an instance answers, or until ten answers in a row are others'."""
    others = 0
    with trio.fail_after(60):
        while others < 10:
            answer = await client.get(f"{appliance.endpoint}/{SERVICE}/zones")
            if answer.headers.get("X-Instance") != name:
                others = 0 if is_there else others + 1
            elif is_there:
                return
            else:
                others = 0


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """Serve the one answer on a free port."""

    async def answer(stream: trio.SocketStream) -> None:
        while await stream.receive_some(65536):
            await stream.send_all(ANSWER)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, answer, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def session(appliance: Appliance) -> AsyncIterator[Registry]:
    """Open a session with the environment's registry."""
    port = tomli.loads(appliance.file.read_text())["registry"]["embedded_port"]
    async with connect([f"127.0.0.1:{port}"], session_timeout=seconds(6), clock=SystemClock()) as registry:
        state = registry.session()
        while state.state is not SessionState.CONNECTED:
            state = await registry.wait_session_change(state)
        yield registry
