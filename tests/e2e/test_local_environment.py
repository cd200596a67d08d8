"""The environment of configs/local.toml, built, used, broken, changed and ended: real parts only.

The tests share one environment and run in this order; each leaves it converged.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from bench.load import LoadReport, steady
from tests.support.appliance import Appliance, Json, read_pid

pytestmark = pytest.mark.e2e

APIS = {
    "domains": "/domains/domains",
    "dns": "/dns/zones",
    "certificates": "/certificates/certificates",
    "httpbin": "/httpbin/get",
}
SESSION_TIMEOUT_S = 6  # as configs/local.toml says
GOES_BACK_WITHIN_S = 3.0
"""From the order until every proxy has heard: well below a second, but for a machine that is busy with other tests."""


async def fetch(environment: Appliance, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        return await client.get(environment.endpoint + path, headers=headers)


@asynccontextmanager
async def under_load(environment: Appliance, *services: str) -> AsyncIterator[list[LoadReport]]:
    """Send steady load meanwhile; the list holds the report afterwards."""
    reports: list[LoadReport] = []
    stop = trio.Event()
    urls = [environment.endpoint + APIS[service] for service in services]

    async def load() -> None:
        reports.append(await steady(urls, rate=50, stop=stop, connections=8, is_keepalive=False))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        yield reports
        stop.set()


@pytest.mark.parametrize("service", APIS)
async def test_each_service_answers_through_the_endpoint(environment: Appliance, service: str) -> None:
    response = await fetch(environment, APIS[service], **{"X-Request-ID": "e2e-1"})
    assert response.status_code == 200
    assert response.headers["X-Request-ID"] == "e2e-1"
    assert response.json()


async def test_status_counts_each_service(environment: Appliance) -> None:
    status = json.loads((await environment.hfs("status", "--json")).stdout)
    assert status["converged"] is True
    counts = {name: [(of["desired"], of["serving"]) for of in by.values()] for name, by in status["services"].items()}
    assert counts == {"domains": [(3, 3)], "dns": [(3, 3)], "certificates": [(2, 2)], "httpbin": [(1, 1)]}


async def test_an_unknown_path_gets_a_problem_in_json(environment: Appliance) -> None:
    response = await fetch(environment, "/nothing/here")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("application/")
    assert response.json()


async def test_one_document_has_the_operations_of_all(environment: Appliance) -> None:
    document = (await fetch(environment, "/swagger.json")).json()
    assert {path.split("/")[1] for path in document["paths"]} == set(APIS)


async def test_the_documents_page_loads_from_the_endpoint_alone(environment: Appliance) -> None:
    page = await fetch(environment, "/docs/")
    assert page.status_code == 200
    assert "swagger-ui" in page.text
    assert "https://" not in page.text
    script = await fetch(environment, "/docs/swagger-ui-bundle.js")
    assert script.status_code == 200


async def test_a_killed_service_is_started_again_by_its_agent(environment: Appliance) -> None:
    pidfile = environment.server("dns") / "service.pid"
    await heals(environment, "dns", pidfile)


async def test_a_killed_agent_is_started_again_and_its_service_never_notices(environment: Appliance) -> None:
    """The new agent must take over the registration before the dead one's session ends, or the instance drops out."""
    place = environment.server("domains")
    service, agent = read_pid(place / "service.pid"), environment.agent(place)
    assert agent is not None
    os.kill(agent, signal.SIGKILL)
    async with under_load(environment, "domains") as reports:
        await environment.happens(lambda: environment.agent(place) not in {None, agent})
        assert not await environment.wavers(within_s=SESSION_TIMEOUT_S + 2)
    assert read_pid(place / "service.pid") == service
    assert not reports[0].failures


async def test_a_killed_server_is_replaced(environment: Appliance) -> None:
    place = environment.server("certificates")
    async with under_load(environment, "certificates") as reports:
        await environment.post(f"/servers/{place.name}/kill")
        await environment.happens(lambda: not place.exists())
        await environment.converged()
    assert not reports[0].failures
    assert environment.server("certificates") != place


async def test_a_killed_nginx_is_started_again_with_its_routes(environment: Appliance) -> None:
    await heals(environment, "httpbin", environment.state / "nginx" / "nginx.pid")


async def test_a_killed_registry_loses_nothing(environment: Appliance) -> None:
    servers = {path.name for path in environment.state.glob("servers/*")}
    last = (await environment.events())[-1]["seq"]
    async with under_load(environment, *APIS) as reports:
        await heals(environment, "dns", environment.state / "registry" / "registry.pid")
        lost = await environment.told("session-changed", last, state="suspended")
        await environment.told("session-changed", lost["seq"], state="connected")
        await environment.converged()
    assert not reports[0].failures
    assert {path.name for path in environment.state.glob("servers/*")} == servers


async def test_a_killed_appliance_takes_over_what_runs(environment: Appliance) -> None:
    servers = {path.name for path in environment.state.glob("servers/*")}
    async with under_load(environment, *APIS) as reports:
        assert await environment.end(signal.SIGKILL) == -signal.SIGKILL
        environment.start()
        await environment.converged()
    assert not reports[0].failures
    assert {path.name for path in environment.state.glob("servers/*")} == servers


async def test_scaling_hurts_nobody(environment: Appliance) -> None:
    async with under_load(environment, *APIS) as reports:
        for count, ask in ((8, environment.hfs), (2, environment.confirmed)):
            scaled = await ask("scale", "dns", str(count))
            assert scaled.returncode == 0, scaled.stderr
            await environment.until(partial(serves, "dns", count), within_s=60)
    assert not reports[0].failures


async def test_an_upgrade_and_the_way_back_cost_no_request(environment: Appliance) -> None:
    last = (await environment.events())[-1]["seq"]
    async with under_load(environment, "dns", "domains") as reports:
        upgraded = await environment.hfs("upgrade", "dns", "1.0.1")
        assert upgraded.returncode == 0, upgraded.stderr
        (rollout,) = await environment.get("/rollouts")
        assert (rollout["phase"], rollout["weights"], rollout["lagging"]) == ("soak", {"1.0.1": 1000, "1.0.0": 0}, [])
        assert (await environment.hfs("rollback", "dns")).returncode == 0
        await environment.converged(within_s=60)
    assert reports[0].failures == ()
    asked = await environment.told("operator-asked", last, what="abort")
    heard = await environment.told("rollout-changed", asked["seq"], phase="contract")
    assert (
        datetime.fromisoformat(heard["at"]) - datetime.fromisoformat(asked["at"])
    ).total_seconds() < GOES_BACK_WITHIN_S
    assert set((await environment.get("/status"))["services"]["dns"]) >= {"1.0.0"}


async def test_a_service_comes_and_goes_with_the_file(environment: Appliance) -> None:
    before = environment.file.read_text()
    fifth = before[before.index("[service.domains]") : before.index("[service.dns]")].replace("domains", "fifth")
    more = environment.file.with_name("more.toml")
    more.write_text(before + fifth.replace("services/fifth", "services/domains"))
    async with under_load(environment, *APIS) as reports:
        for file, ask in ((more, environment.hfs), (environment.file, environment.confirmed)):
            applied = await ask("apply", file, "--yes")
            assert applied.returncode == 0, applied.stderr
            is_there = file is more
            await environment.until(partial(serves, "fifth", 3 if is_there else 0), within_s=60)
            assert (await fetch(environment, "/fifth/domains")).status_code == (200 if is_there else 404)
            document = (await fetch(environment, "/swagger.json")).json()
            assert any(path.startswith("/fifth/") for path in document["paths"]) is is_there
    assert not reports[0].failures


async def test_it_ends_in_order_and_leaves_nothing_running(environment: Appliance) -> None:
    assert await environment.end(signal.SIGINT) == 0
    assert environment.processes() == []


def serves(service: str, count: int, status: Json) -> bool:
    """Tell whether all is as desired, with so many instances of a service."""
    versions = status["services"].get(service, {}).values()
    return bool(status["converged"]) and sum(of["serving"] for of in versions) == count


async def heals(environment: Appliance, service: str, pidfile: Path) -> None:
    """Kill a process and wait until another one has taken its place and the service is served in full."""
    victim = read_pid(pidfile)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    await environment.happens(lambda: read_pid(pidfile) not in {None, victim})
    await environment.converged()
    assert (await fetch(environment, APIS[service])).status_code == 200
