"""Four services in trouble, each in its own way: each is told in words that name it, and nobody else notices."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import tomli
import trio

from bench.load import LoadReport, steady
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.model.instants import seconds
from tests.support.appliance import LOCAL, Appliance

pytestmark = pytest.mark.e2e

BROKEN_DOCUMENT = """
[service.oddpaper]
pool = "small"
port = 9000
document = "/health"
[service.oddpaper.run]
directory = "services/dns"
command = ["python3", "{directory}/service.py"]
[service.oddpaper.version."1.0.0"]
instances = 1
"""
NEVER_HEALTHY = """
[service.sleeper]
pool = "small"
port = 9000
health = { ready_within = "3s" }
[service.sleeper.run]
command = ["sleep", "1000"]
[service.sleeper.version."1.0.0"]
instances = 1
"""
PORT_TAKEN = """
[service.latecomer]
pool = "small"
port = %d
document = "/openapi.json"
[service.latecomer.run]
directory = "services/dns"
command = ["python3", "{directory}/service.py"]
restart_backoff_max = "1s"
[service.latecomer.version."1.0.0"]
instances = 1
"""


@asynccontextmanager
async def in_trouble(executable: Path, directory: Path) -> AsyncIterator[tuple[Appliance, socket.socket]]:
    """Give an environment of dns and three services in trouble, and what holds the port of one of them."""
    with socket.create_server(("0.0.0.0", 0)) as holder:  # noqa: S104  # every loopback address, the instance's too
        source = LOCAL.read_text()
        start, end = source.index("[service.httpbin]"), source.index("[service.dns]")
        source = source[:start] + source[end : source.index("[service.certificates]")]
        source += BROKEN_DOCUMENT + NEVER_HEALTHY + PORT_TAKEN % holder.getsockname()[1]
        appliance = Appliance.prepare([executable], directory, source)
        appliance.start()
        try:
            yield appliance, holder
        finally:
            appliance.clean()


async def test_each_trouble_is_told_and_the_rest_works(executable: Path, tmp_path: Path) -> None:
    async with in_trouble(executable, tmp_path) as (appliance, holder):
        await appliance.until(lambda status: status["routed"].get("dns") == 3, within_s=60)
        stop = trio.Event()
        reports: list[LoadReport] = []

        async def load() -> None:
            reports.append(await steady([f"{appliance.endpoint}/dns/zones"], rate=50, stop=stop, connections=4))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            refused = await appliance.told("document-refused", 0, service="oddpaper")
            assert "openapi" in refused["fields"]["words"]
            await a_garbage_registration_is_told(appliance)
            await a_taken_port_is_told_and_used_once_it_is_free(appliance, holder)
            setback = await appliance.told("setback", 0, scope="service/sleeper/1.0.0")
            assert "sleeper is not healthy" in setback["fields"]["words"]
            stop.set()
        assert reports[0].failures == ()
        status = await appliance.get("/status")
        assert status["converged"] is False
        assert status["routed"] == {"dns": 3, "oddpaper": 1, "sleeper": 0, "latecomer": 1}


async def a_garbage_registration_is_told(appliance: Appliance) -> None:
    path = "/hfs/local/services/dns/garbage"
    port = tomli.loads(appliance.file.read_text())["registry"]["embedded_port"]
    async with connect([f"127.0.0.1:{port}"], session_timeout=seconds(6), clock=SystemClock()) as registry:
        session = registry.session()
        while not session.session_id:
            session = await registry.wait_session_change(session)
        await registry.create(path, b'{"address": "x; } server { listen 1', is_ephemeral=True)
        refused = await appliance.told("entry-refused", 0, path=path)
        assert "not JSON" in refused["fields"]["words"]


async def a_taken_port_is_told_and_used_once_it_is_free(appliance: Appliance, holder: socket.socket) -> None:
    port = holder.getsockname()[1]
    server = await server_of(appliance, "latecomer")
    told = await appliance.told("instance-troubled", 0, server=server)
    assert f"port {port}" in told["fields"]["words"]
    assert "in use" in told["fields"]["words"]
    holder.close()
    await appliance.until(lambda status: status["routed"].get("latecomer") == 1, within_s=60)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{appliance.endpoint}/latecomer/zones")).status_code == httpx.codes.OK


async def server_of(appliance: Appliance, service: str) -> str:
    """Give the server that was claimed for a service of one instance."""
    claimed = await appliance.told("action-started", 0, action="claim", service=service)
    return str(claimed["fields"]["server"])
