"""What a fault costs: seconds until the full count serves again, and requests that failed meanwhile, with retries off.

One local environment is broken in one way after the other. *Healed* is seen from outside: as many instances answer
through the endpoint (by their X-Instance header) as are desired.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import httpx
import trio

from bench.load import LoadReport, steady
from tests.support.appliance import LOCAL, ROOT, Appliance, children, read_pid

RATE: Final = 200.0
CONNECTIONS: Final = 16
BEFORE_S: Final = 2.0
AFTER_S: Final = 3.0
HEAL_WITHIN_S: Final = 60.0
SERVICE: Final = "dns"
PATHS: Final = ("/domains/domains", "/dns/zones", "/certificates/certificates", "/httpbin/get")
WINDOW: Final = 4
"""Requests for each desired instance in one look: round robin shows all of them that are in turn."""


async def run() -> dict[str, object]:
    """Break one environment in every way, one after the other."""
    findings: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        appliance = Appliance.prepare([ROOT / "dist" / "hfs"], Path(directory), LOCAL.read_text())
        appliance.start()
        try:
            began = trio.current_time()
            await appliance.converged(within_s=180)
            findings["command → converged (s)"] = round(trio.current_time() - began, 1)
            for name, break_it in FAULTS.items():
                await appliance.converged(within_s=120)
                findings[name] = await measure(appliance, break_it)
        finally:
            appliance.clean()
    return findings


async def measure(appliance: Appliance, break_it: Callable[[Appliance], Awaitable[None]]) -> Mapping[str, object]:
    """Break something under load; give seconds to heal and what became of the requests."""
    status = await appliance.get("/status")
    desired = sum(count["desired"] for count in status["services"][SERVICE].values())
    stop = trio.Event()
    reports: list[LoadReport] = []
    healed_s = float("nan")

    async def load() -> None:
        urls = [appliance.endpoint + path for path in PATHS]
        reports.append(await steady(urls, rate=RATE, stop=stop, connections=CONNECTIONS))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        await trio.sleep(BEFORE_S)
        broken_at = trio.current_time()
        await break_it(appliance)
        with trio.fail_after(HEAL_WITHIN_S):
            await wait_full(appliance, desired)
        healed_s = trio.current_time() - broken_at
        await trio.sleep(AFTER_S)
        stop.set()
    report = reports[0]
    kinds = Counter(failure.kind.value for failure in report.failures)
    return {
        "healed (s)": round(healed_s, 2),
        "requests": report.sent,
        "failed": len(report.failures),
        "failures": dict(kinds),
        "latency_ms_p99": round(report.latency_ms_p99, 1),
    }


async def wait_full(appliance: Appliance, desired: int) -> None:
    """Look until as many instances answer as are desired, all of them processes that live now."""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        while True:
            seen: set[str] = set()
            try:
                for _ in range(WINDOW * desired):
                    response = await client.get(f"{appliance.endpoint}/{SERVICE}/zones")
                    if response.status_code == httpx.codes.OK:
                        seen.add(response.headers["X-Instance"])
            except httpx.TransportError:
                continue
            if len(seen) >= desired:
                return
            await trio.sleep(0.02)


def _kill(pidfile: Path) -> None:
    victim = read_pid(pidfile)
    assert victim is not None, pidfile
    os.kill(victim, signal.SIGKILL)


async def kill_service(appliance: Appliance) -> None:
    _kill(appliance.server(SERVICE) / "service.pid")


async def kill_agent(appliance: Appliance) -> None:
    init = read_pid(appliance.server(SERVICE) / "init.pid")
    assert init is not None
    (agent,) = children(init)
    os.kill(agent, signal.SIGKILL)


async def kill_server(appliance: Appliance) -> None:
    await appliance.post(f"/servers/{appliance.server(SERVICE).name}/kill")


async def freeze_service(appliance: Appliance) -> None:
    pid = read_pid(appliance.server(SERVICE) / "service.pid")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)


async def kill_nginx_master(appliance: Appliance) -> None:
    _kill(appliance.state / "nginx" / "nginx.pid")


async def kill_nginx(appliance: Appliance) -> None:
    master = read_pid(appliance.state / "nginx" / "nginx.pid")
    assert master is not None
    for pid in (master, *children(master)):
        os.kill(pid, signal.SIGKILL)


async def kill_appliance(appliance: Appliance) -> None:
    await appliance.end(signal.SIGKILL)
    appliance.start()
    await appliance.converged()


async def kill_registry(appliance: Appliance) -> None:
    _kill(appliance.state / "registry" / "registry.pid")


FAULTS: Mapping[str, Callable[[Appliance], Awaitable[None]]] = {
    "kill -9 of a service process": kill_service,
    "kill -9 of an agent": kill_agent,
    "kill -9 of a whole server": kill_server,
    "kill -9 of nginx's master": kill_nginx_master,
    "kill -9 of nginx, master and workers": kill_nginx,
    "kill -9 of hfs run, started again": kill_appliance,
    "kill -9 of the embedded registry": kill_registry,
    # Last: the frozen instance is replaced at once, but kept as a suspect for as long as it may recover.
    "SIGSTOP of a service process": freeze_service,
}
