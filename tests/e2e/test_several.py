"""Two appliances of one environment on a real ZooKeeper ensemble: whichever leads is killed in the midst of its work.

The other one finishes it, within the session timeout and a little more; callers notice nothing.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import trio

from bench.load import LoadReport, steady
from tests.e2e.test_ensemble import INSTANCES, PATHS, on_ensemble
from tests.support.appliance import LOCAL, Appliance, Json, free_addresses
from tests.support.zookeeper import TICK_MS, ensemble

pytestmark = [pytest.mark.e2e, pytest.mark.zookeeper]

SESSION_S = 4
WARM = 2
TAKES_UP_WITHIN_S = 3.0
"""Beyond session timeout and tick, on a busy machine: reading everything afresh, and deciding."""


async def test_the_leader_dies_in_the_midst_of_an_upgrade_and_of_a_deletion(executable: Path, tmp_path: Path) -> None:
    async with ensemble(tmp_path) as servers:
        source = on_ensemble(LOCAL.read_text(), servers.hosts)
        source = source.replace('session_timeout = "6s"', f'session_timeout = "{SESSION_S}s"')
        source = source.replace('boot = "2s"', 'boot = "100ms"').replace('= "1s"    ', '= "0s"    ')
        source = source.replace("[cloud.local]\n", f"[cloud.local]\ndirectory = '{tmp_path / 'state' / 'servers'}'\n")
        one = Appliance.prepare([executable], tmp_path, source)
        admin, endpoint = free_addresses(2)
        two = replace(one, state=tmp_path / "second", admin=f"http://{admin}/api/v1", endpoint=f"http://{endpoint}")
        one.start()
        try:
            await one.converged(within_s=120)
            two.start("--admin", admin, "--endpoint", endpoint)
            await stands_by(two, one)
            await upgrade_killed_under_load(one, two)
            one.start()
            await stands_by(one, two)
            await deletion_killed(two, one)
        finally:
            one.clean()
            two.clean()


async def stands_by(appliance: Appliance, leader: Appliance) -> None:
    """Wait until it sees the whole environment, and demand that it says whom to ask."""
    status = await appliance.until(lambda status: status["mode"] == "standby" and status["converged"], within_s=60)
    assert status["leader"]["address"] == leader.admin.removesuffix("/api/v1")
    refused = await appliance.hfs("scale", "dns", "5")
    assert refused.returncode == 1
    assert f"--api {status['leader']['address']}" in refused.stderr


async def upgrade_killed_under_load(leader: Appliance, other: Appliance) -> None:
    """Kill the leader at its first claim for the new version, while callers use the endpoint of the other one."""
    text = leader.file.read_text()
    before, begun, after = text.partition("[service.dns.version.")
    before += '[service.dns.rollout]\nretain_old = "1s"\n\n'
    leader.file.write_text(before + begun + after.replace('"1.0.0"', '"1.0.1"', 1))
    urls = [other.endpoint + path for path in PATHS]
    stop = trio.Event()
    reports: list[LoadReport] = []

    async def load() -> None:
        reports.append(await steady(urls, rate=50, stop=stop, connections=8, is_keepalive=False))

    last = (await leader.events())[-1]["seq"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        applied = await leader.hfs("apply", "--yes", "--no-wait", leader.file)
        assert applied.returncode == 0, applied.stderr
        await leader.told("action-started", last, action="claim")
        assert await kill_and_wait(leader, other)
        await other.until(lambda status: is_upgraded(status) and status["mode"] == "active", within_s=120)
        stop.set()
    assert reports[0].failures == ()
    await nothing_is_left_over(other, dns=3)


async def deletion_killed(leader: Appliance, other: Appliance) -> None:
    """Kill the leader as soon as it has begun to delete a server."""
    last = (await leader.events())[-1]["seq"]
    scaled = await leader.confirmed("scale", "dns", "1", "--no-wait")
    assert scaled.returncode == 0, scaled.stderr
    await leader.told("action-started", last, action="delete")
    await kill_and_wait(leader, other)
    await other.until(lambda status: status["converged"] and status["mode"] == "active", within_s=60)
    await nothing_is_left_over(other, dns=1)


async def kill_and_wait(leader: Appliance, other: Appliance) -> bool:
    """Kill the leader, and wait until the other one has nothing left to do; what it did first, it did soon.

    Tells whether it did anything: on a busy machine the leader has ended what it had begun before the kill reaches it.
    """
    last = (await other.events())[-1]["seq"]
    await leader.end(signal.SIGKILL)
    killed_at = datetime.now().astimezone()
    active = await other.told("mode-changed", last, mode="active")
    await other.until(lambda status: status["converged"] and status["mode"] == "active", within_s=120)
    acted = [event for event in await other.events(active["seq"]) if event["kind"] == "action-started"]
    if acted:
        seconds = (datetime.fromisoformat(acted[0]["at"]) - killed_at).total_seconds()
        assert seconds < SESSION_S + TICK_MS / 1000 + TAKES_UP_WITHIN_S
    return bool(acted)


def is_upgraded(status: Json) -> bool:
    versions = status["services"]["dns"]
    return bool(status["converged"]) and "1.0.0" not in versions and versions["1.0.1"]["serving"] == 3


async def nothing_is_left_over(appliance: Appliance, *, dns: int) -> None:
    wanted = INSTANCES - 3 + dns + WARM
    assert len(await appliance.get("/servers")) == wanted
    servers = appliance.file.parent / "state" / "servers"
    assert len([path for path in servers.iterdir() if not path.name.startswith(".")]) == wanted
