"""The proxy: what a change of the route table costs, from the value until nginx serves it, by number of APIs.

Ten instances an API; nobody answers at their addresses, for nothing is asked of them.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import trio

from bench.measure import Spread, repeat
from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.adapters.nginx.workers import ask_revision
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import SECOND, seconds
from hfs_appliance.proxy.render import Host, render
from hfs_appliance.proxy.table import Member, Route, RouteTable

SIZES = (10, 100, 1000)
INSTANCES = 10
REPEATS = 30
HOST = Host(user=None, open_files=1024)


async def run() -> dict[str, object]:
    findings: dict[str, object] = {}
    for size in SIZES:
        findings |= {f"{what}, {size} APIs": found for what, found in (await _measure(size)).items()}
    return findings


async def _measure(size: int) -> dict[str, Spread]:
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        proxy = NginxProxy(Path(directory))
        port = await _free_port()
        tables = (table(size, port, change) for change in itertools.count())
        answered, alone, checked = [], [], []
        await proxy.publish(next(tables))
        try:
            for changed in itertools.islice(tables, REPEATS):
                first, last = await _publish(proxy, Path(directory), changed)
                answered.append(first)
                alone.append(last)
                checked.append(await _check(Path(directory)))
        finally:
            await proxy.stop()
    return {
        "render": repeat(REPEATS, lambda: render(changed, HOST)),
        "nginx -t": Spread.of(checked),
        "publish until a new worker answers": Spread.of(answered),
        "publish until only new workers do": Spread.of(alone),
    }


async def _publish(proxy: NginxProxy, directory: Path, changed: RouteTable) -> tuple[int, int]:
    """Give the nanoseconds from the call until the first new worker answered, and until it returned."""
    former = await ask_revision(directory)
    began = time.perf_counter_ns()
    answered = 0

    async def wait_answered() -> None:
        nonlocal answered
        while await ask_revision(directory) in (former, None):  # noqa: ASYNC110  # an answer cannot be waited for
            await trio.sleep(0.002)
        answered = time.perf_counter_ns() - began

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_answered)
        await proxy.publish(changed)
        alone = time.perf_counter_ns() - began
    return answered, alone


async def _check(directory: Path) -> int:
    began = time.perf_counter_ns()
    command = ["/usr/sbin/nginx", "-p", str(directory), "-t", "-c", "nginx.conf"]
    await trio.run_process(command, cwd=directory, capture_stderr=True)
    return time.perf_counter_ns() - began


async def _free_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port: int = listener.socket.getsockname()[1]
        return port


def table(size: int, port: int, change: int) -> RouteTable:
    """Give a table that differs from all others with another `change`, by one instance of one API."""
    return RouteTable(
        address="127.0.0.1",
        port=port,
        connect_timeout=SECOND,
        response_timeout=seconds(30),
        routes={
            name: Route(service=name, base_path="/", members=tuple(members(api, change))) for api, name in _names(size)
        },
    )


def _names(size: int) -> Iterator[tuple[int, ServiceName]]:
    return ((api, ServiceName(f"api-{api:04d}")) for api in range(size))


def members(api: int, change: int) -> Iterator[Member]:
    for instance in range(INSTANCES):
        yield Member(
            address=f"127.{64 + api // 250}.{api % 250}.{instance + 1}",
            port=8000 + (change if api == 0 else 0),
            version=Version("1"),
            instance=f"small-{api:04d}-{instance}",
        )
