"""The environment on a real ZooKeeper ensemble whose leader dies under load: nobody else notices."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from bench.load import LoadReport, steady
from tests.support.appliance import LOCAL, Appliance
from tests.support.zookeeper import Servers, ensemble

pytestmark = [pytest.mark.e2e, pytest.mark.zookeeper]

PATHS = ("/domains/domains", "/dns/zones", "/certificates/certificates")
INSTANCES = 8


async def test_a_killed_leader_costs_no_request_no_instance_and_no_server(executable: Path, tmp_path: Path) -> None:
    async with ensemble(tmp_path) as servers:
        appliance = Appliance.prepare([executable], tmp_path, on_ensemble(LOCAL.read_text(), servers.hosts))
        appliance.start()
        try:
            await appliance.converged(within_s=60)
            await kill_leader_under_load(appliance, servers)
        finally:
            appliance.clean()


def on_ensemble(source: str, hosts: tuple[str, ...]) -> str:
    """Name the ensemble, and leave out httpbin: it is the registry's fault that is looked at."""
    named = ", ".join(f'"{host}"' for host in hosts)
    source = source.replace("[registry]\n", f"[registry]\nhosts = [{named}]\n")
    start, end = source.index("[service.httpbin]"), source.index("[service.domains]")
    return source[:start] + source[end:]


async def kill_leader_under_load(appliance: Appliance, servers: Servers) -> None:
    before = await appliance.get("/servers")
    last = (await appliance.events())[-1]["seq"]
    stop = trio.Event()
    reports: list[LoadReport] = []

    async def load() -> None:
        reports.append(await steady([appliance.endpoint + path for path in PATHS], rate=100, stop=stop, connections=8))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        (await servers.leader()).kill()
        # Followers without a leader close their clients' connections: everybody is cut off, and must find back.
        lost = await appliance.told("session-changed", last, state="suspended")
        await appliance.told("session-changed", lost["seq"], state="connected")
        scaled = await appliance.hfs("scale", "dns", "4")
        assert scaled.returncode == 0, scaled.stderr
        await appliance.until(lambda status: status["converged"] and status["routed"]["dns"] == 4, within_s=60)
        stop.set()
    assert reports[0].failures == ()
    told = await appliance.events(last)
    routed = [event["fields"]["instances"] for event in told if event["kind"] == "routes-published"]
    assert min(routed) >= INSTANCES
    after = {server["server"] for server in await appliance.get("/servers")}
    assert {server["server"] for server in before} <= after
