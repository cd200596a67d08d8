"""What an operator reads of `hfs run` when a real control plane fails: the table of docs/openstack.md, event by event.

HFS_OPENSTACK names the clouds.yaml of one that `./build.sh openstack up` has started: parts of it are stopped here, and
its quotas changed. Nothing runs on the servers, so no build ever ends well: what is told of the cloud is all there is.
"""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.adapters.openstack.test_words import TABLE
from tests.support.appliance import ROOT, Appliance, Json, free_addresses
from tests.support.openstacks import REAL, SOURCE
from tests.support.zookeeper import embedded

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(900),
    # openstacksdk's conveniences, which hfs does not use, warn of each other.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]
WITHIN_S = 300
DELETED_WITHIN_S = 20
AWAY_S = 120

POOL = """
[quota]
max_servers = 20
[guard]
destroy_budget = {{ percent = "100%", min = 50, max = 100, window = "10s" }}
[pool.small]
size = 1
flavor = "{flavor}"
build_within = "{build_within}"
"""
USUAL = {"poll": "3s", "azs": '["az1"]', "entry": "hfs", "network": "private", "within": "60s"}


class Site:
    """`hfs run` on the real control plane."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance

    async def reads(self, what: str, after: int = 0, within_s: float = WITHIN_S) -> Json:
        """Wait for the event of a row of the table, with its words, and give it. Errors: AssertionError."""
        row = TABLE[what]
        pattern = re.compile(".*".join(map(re.escape, row["words"].split("…"))))
        events: list[Json] = []
        with trio.move_on_after(within_s):
            while True:
                try:
                    events = await self.appliance.events(after)
                except httpx.HTTPError:
                    events = []
                for event in events:
                    if event["kind"] == row["event"] and pattern.search(event["line"]):
                        return event
                await trio.sleep(0.5)
        raise AssertionError(f"{what}: {[event['line'] for event in events]}\n{self.appliance.story()}")

    async def stands_still(self, for_s: float, after: int) -> None:
        """See for so long that nothing is made or taken away. Errors: AssertionError."""
        ends = trio.current_time() + for_s
        while trio.current_time() < ends:
            done = [event["line"] for event in await self.appliance.events(after) if event["kind"] == "action-done"]
            assert not done
            await trio.sleep(1)


@asynccontextmanager
async def running(
    directory: Path, clouds: Path, flavor: str = "m1.tiny", build_within: str = "10m"
) -> AsyncIterator[Site]:
    """Have `hfs run` with one pool; its servers go with it."""
    name = f"words-{random.randrange(10**6)}"  # what another test has left behind is none of ours
    async with embedded(directory / "registry") as registry:
        endpoint, admin = free_addresses(2)
        places = {"registry": registry.hosts[0], "clouds": clouds, "endpoint": endpoint, "admin": admin}
        source = (SOURCE + POOL).format(**USUAL, **places, name=name, flavor=flavor, build_within=build_within)
        appliance = Appliance.of_checkout(directory, source, endpoint, admin)
        appliance.start()
        try:
            yield Site(appliance)
        finally:
            appliance.clean()


@pytest.fixture
def clouds() -> Path:
    """Give the clouds.yaml of the real control plane."""
    return Path(os.environ[REAL])


@pytest.fixture
def admin(clouds: Path) -> Iterator[Any]:
    """Give whoever may do everything; the tenant's servers go in the end."""
    yield account(clouds, "admin")
    empty(account(clouds, "hfs"))


def empty(tenant: Any) -> None:
    """Delete all servers of a project. Errors: AssertionError.

    One that is deleted while it is built may be built all the same: those that are left are deleted again.
    """
    from openstack.exceptions import ResourceTimeout

    there: list[Any] = []
    for _ in range(WITHIN_S // DELETED_WITHIN_S):
        there = list(tenant.compute.servers())
        if not there:
            return
        for server in there:
            tenant.compute.delete_server(server)
        with suppress(ResourceTimeout):
            for server in there:
                tenant.compute.wait_for_delete(server, wait=DELETED_WITHIN_S)
    raise AssertionError(f"not deleted: {[server.name for server in there]}")


def account(clouds: Path, entry: str) -> Any:
    """Log in as an entry of a clouds.yaml."""
    import openstack

    region = openstack.config.OpenStackConfig([str(clouds)]).get_one(entry)
    return openstack.connection.Connection(config=region)


@contextmanager
def stopped(home: Path, *names: str) -> Iterator[None]:
    """Have processes of the control plane stand still."""
    pids = [int((home / "run" / f"{name}.pid").read_text()) for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def end(home: Path, name: str) -> None:
    """End a part of the control plane; `restart` brings it back."""
    os.killpg(int((home / "run" / f"{name}.pid").read_text()), signal.SIGKILL)


async def restart() -> None:
    """Start what does not run."""
    await trio.run_process([ROOT / "tests" / "openstack" / "cloud.sh", "up"], capture_stderr=True)


@pytest.mark.usefixtures("admin")
async def test_no_valid_host(tmp_path: Path, clouds: Path) -> None:
    async with running(tmp_path, clouds, flavor="too.big") as site:
        await site.reads("NoValidHost: no host has room")


async def test_quota(tmp_path: Path, clouds: Path, admin: Any) -> None:
    project = admin.identity.find_project("demo").id
    admin.set_compute_quotas(project, instances=0)  # with room for one, two that ask at once are both let in
    try:
        async with running(tmp_path, clouds) as site:
            await site.reads("the quota is used up")
    finally:
        admin.delete_compute_quotas(project)


async def test_a_build_that_never_ends(tmp_path: Path, clouds: Path, admin: Any) -> None:
    with stopped(clouds.parent, *(f"compute-{host}" for host in hosts_of(admin, "az1"))):
        async with running(tmp_path, clouds, build_within="30s") as site:
            await site.reads("a build that never ends")


def hosts_of(admin: Any, zone: str) -> list[str]:
    """Name the compute hosts of a zone."""
    hosts: list[str] = admin.compute.find_aggregate(zone).hosts
    return hosts


async def test_a_deletion_that_ends_in_error(tmp_path: Path, clouds: Path, admin: Any) -> None:
    async with running(tmp_path, clouds, build_within="30s") as site:
        await site.appliance.told("phase-changed", 0, WITHIN_S, phase="configuring")
        with stopped(clouds.parent, *(f"compute-{host}" for host in hosts_of(admin, "az1"))):
            asked = await site.appliance.told("action-done", 0, WITHIN_S, action="delete")
            servers = admin.compute.servers(all_projects=True)
            (server,) = [server for server in servers if server.name.endswith(asked["fields"]["server"])]
            admin.compute.reset_server_state(server, "error")  # as an operator does whose host is gone
            await site.reads("a deletion ends in ERROR")


async def test_nova_is_away_for_two_minutes_and_the_token_has_ended_when_it_is_back(
    tmp_path: Path, clouds: Path, admin: Any
) -> None:
    tenant = account(clouds, "hfs")
    token = tenant.auth_token
    async with running(tmp_path, clouds) as site:
        await site.appliance.told("phase-changed", 0, WITHIN_S, phase="booting")
        end(clouds.parent, "nova")
        unreachable = await site.reads("nova-api is away")
        await site.stands_still(AWAY_S, unreachable["seq"])
        # Ends all tokens of the account; nova knows of none that it would remember.
        admin.identity.update_user(admin.identity.find_user("demo"), password=tenant.config.auth["password"])
        await restart()
        # A list comes first, and whoever asks for one with a token that has ended gets another: nobody reads of it.
        await site.appliance.told("phase-changed", unreachable["seq"], WITHIN_S, phase="configuring")
        async with httpx.AsyncClient(trust_env=False) as client:
            asked = await client.get(f"{tenant.compute.get_endpoint()}/servers", headers={"X-Auth-Token": token})
        assert asked.status_code == httpx.codes.UNAUTHORIZED


@pytest.fixture
def wrong(tmp_path: Path, clouds: Path) -> Path:
    """Give a clouds.yaml that names a project that the account has nothing to do with."""
    path = tmp_path / "wrong.yaml"
    path.write_text(clouds.read_text().replace("project_name: demo", "project_name: nobodys"))
    return path


async def test_a_wrong_project(tmp_path: Path, wrong: Path) -> None:
    async with running(tmp_path, wrong) as site:
        await site.reads("a wrong project, user or password")
