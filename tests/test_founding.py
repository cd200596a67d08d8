"""Foundations over the fake cloud: each piece is there once, wherever somebody was killed and whatever was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from hfs_appliance import founding
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.config.loading import load_text
from hfs_appliance.model.balancer import BalancerMember, Place
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.events import Recorded
from hfs_appliance.model.foundation import FoundationChanged, FoundationRefused
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import seconds
from hfs_appliance.ports.errors import Rejected
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime import founding as loops
from sim.wire.openstack.http import Ending, Request, Response
from sim.wire.openstack.mishaps import Mishap
from sim.wire.openstack.whole import OpenStack, openstack
from tests.support.clouds import spec
from tests.support.openstacks import serving
from tests.support.registries import connected
from tests.support.zookeeper import Servers, embedded

ENVIRONMENT = EnvironmentName("ground")
FILE = """
[environment]
name = "ground"
[registry]
hosts = ["127.0.0.1:1"]
[cloud]
provider = "openstack"
[cloud.openstack]
cloud = "fake"
image = "debian-12"
flavor = "m1.small"
networks = ["inner"]
security_groups = ["web"]
keypair = "team"
server_group = "apart"
call_within = "5s"
[cloud.openstack.foundation.network.inner]
cidr = "10.20.0.0/24"
external = "public"
name_servers = ["9.9.9.9"]
[cloud.openstack.foundation.security_group.web]
allow = ["tcp/80", "tcp/9000-9099 from 10.20.0.0/24", "udp/53 from members", "icmp"]
[cloud.openstack.foundation.keypair.team]
public_key = "ssh-ed25519 AAAA team"
[cloud.openstack.foundation.server_group.apart]
policy = "anti-affinity"
[endpoint]
listen = "127.0.0.1:8080"
[quota]
max_servers = 9
[pool.small]
size = 1
"""
NAMES = {
    kind: [f"hfs_ground_{name}"] for kind, name in [("network", "inner"), ("subnet", "inner"), ("router", "inner")]
}
MADE = {**NAMES, "interface": 1, "group": ["hfs_ground_web"], "rules": 5, "key": ["hfs_ground_team"], "apart": 1}
NOTHING = {"network": [], "subnet": [], "router": [], "interface": 0, "group": [], "rules": 0, "key": [], "apart": 0}


@pytest.fixture
def fake() -> OpenStack:
    return openstack(networks={"private": "10.0.0.0/16", "public": "192.0.2.0/24"})


@pytest.fixture
async def desired(fake: OpenStack, tmp_path: Path) -> AsyncIterator[DesiredState]:
    async with serving(fake, tmp_path) as clouds_file:
        found = load_text(FILE, "ground.toml")
        settings = replace(found.cloud.openstack, clouds_file=str(clouds_file))
        yield replace(found, cloud=replace(found.cloud, openstack=settings))


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "FIRST_PAUSE", seconds(0.01))
    monkeypatch.setattr(loops, "LATE_WITHIN", seconds(0.05))
    monkeypatch.setattr(loops, "AGAIN_AFTER", seconds(0.05))
    monkeypatch.setattr(loops, "LONGEST_PAUSE", seconds(0.05))


def books(fake: OpenStack) -> dict[str, Any]:
    """Tell what of the environment there is, by the cloud's own books."""
    network = fake.network

    def ours(items: dict[str, Any]) -> list[dict[str, Any]]:
        return [item for item in items.values() if item["name"].startswith("hfs_")]

    groups = ours(network.groups)
    return {
        "network": [item["name"] for item in ours(network.networks)],
        "subnet": [item["name"] for item in ours(network.subnets)],
        "router": [item["name"] for item in ours(network.routers)],
        "interface": sum(port.owner == "network:router_interface" for port in network.ports.values()),
        "group": [item["name"] for item in groups],
        "rules": sum(len(item["security_group_rules"]) for item in groups),
        "key": [name for name in fake.compute.keys.pairs if name.startswith("hfs_")],
        "apart": sum(group["name"] == "hfs_ground_apart" for group in fake.compute.keys.groups.values()),
    }


def mutations(fake: OpenStack) -> int:
    return sum(method != "GET" and not path.endswith("/tokens") for method, path in fake.cloud.calls)


def ignore(_: Recorded) -> None:
    pass


async def killed_at(count: int, fake: OpenStack, work: Callable[[], Awaitable[None]], *, is_late: bool) -> bool:
    """Do something in a process that is killed at a call, before or after that is carried out; False: it ended."""
    carry_out, left, is_killed = fake.cloud._carry_out, count, False

    with trio.CancelScope() as life:

        def until_killed(request: Request) -> Response:
            nonlocal left, is_killed
            left -= 1
            if left >= 0:
                return carry_out(request)
            if is_late and not is_killed:
                carry_out(request)
            is_killed = True
            life.cancel()
            return Response(ending=Ending.RESET)

        fake.cloud._carry_out = until_killed  # type: ignore[method-assign]
        try:
            await work()
        finally:
            fake.cloud._carry_out = carry_out  # type: ignore[method-assign]
    return is_killed


async def test_it_makes_all_of_it_and_nothing_twice(fake: OpenStack, desired: DesiredState) -> None:
    told: list[Recorded] = []
    await founding.lay(desired, told.append)
    assert books(fake) == MADE
    made = mutations(fake)
    assert made == len(told) == 11
    assert {type(recorded.event) for recorded in told} == {FoundationChanged}
    (subnet,) = [item for item in fake.network.subnets.values() if item["name"] == "hfs_ground_inner"]
    assert (subnet["cidr"], subnet["dns_nameservers"]) == ("10.20.0.0/24", ["9.9.9.9"])
    await founding.lay(desired, told.append)
    assert mutations(fake) == made, "a second time there is nothing to do"


async def test_servers_use_what_was_made(fake: OpenStack, desired: DesiredState) -> None:
    await founding.lay(desired, ignore)
    cloud = founding.estate(desired, SystemClock()).cloud
    await cloud.create(spec(ENVIRONMENT, "small-0001"))
    (record,) = fake.compute.servers.records.values()
    assert (record.asked.groups, record.asked.key) == (["hfs_ground_web"], "hfs_ground_team")
    assert fake.network.networks[record.ports[0].network_id]["name"] == "hfs_ground_inner"
    assert fake.compute.keys.groups[str(record.asked.group)]["policy"] == "anti-affinity"


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
async def test_a_kill_at_any_call_leaves_nothing_that_is_not_gone_on_with(
    fake: OpenStack, desired: DesiredState, *, is_late: bool
) -> None:
    clock = SystemClock()
    estate = founding.estate(desired, clock)  # one way in for all: logging in anew each time would take most of it

    async def lay() -> None:
        await founding._founding(clock, ignore).lay(estate.ground)

    async def clear() -> None:
        await founding._founding(clock, ignore).clear(estate)

    for count in range(6 * is_late, 200, 13):  # every thirteenth: each takes a whole life of the environment
        was_killed = await killed_at(count, fake, lay, is_late=is_late)
        await lay()
        assert books(fake) == MADE, count
        was_killed |= await killed_at(count, fake, clear, is_late=is_late)
        await clear()
        assert books(fake) == NOTHING, count
        if not was_killed:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize(
    "mishap",
    [
        Mishap(status=503),
        Mishap(status=504, is_late=True),
        Mishap(ending=Ending.RESET, is_late=True),
        Mishap(status=403, raw=b'{"NeutronError": {"message": "Quota exceeded for resources"}}'),
    ],
    ids=["503", "504 late", "reset late", "quota"],
)
async def test_whatever_a_call_meets_it_is_there_once_in_the_end(
    fake: OpenStack, desired: DesiredState, mishap: Mishap
) -> None:
    told: list[Recorded] = []
    for path in ("networks", "subnets", "routers", "groups", "keypairs", "rules"):
        fake.cloud.mishaps.next("POST", path, mishap)
    fake.cloud.mishaps.next("PUT", "interface", mishap)
    await founding.lay(desired, told.append)
    assert books(fake) == MADE
    refused = [recorded.event for recorded in told if isinstance(recorded.event, FoundationRefused)]
    assert refused, "it says what went wrong"
    assert len(refused) == len(set(refused)), "once"


async def test_what_came_late_and_is_there_twice_goes(fake: OpenStack, desired: DesiredState) -> None:
    await founding.lay(desired, ignore)
    network = fake.network
    for items in (network.networks, network.groups, network.routers):
        (item,) = [item for item in items.values() if item["name"].startswith("hfs_")]
        items["late"] = {**item, "id": "late", "created_at": "9999-01-01T00:00:00Z"}
    keys = fake.compute.keys.groups
    (apart,) = [group for group in keys.values() if group["name"] == "hfs_ground_apart"]
    keys["late"] = {**apart, "id": "zzzz-late"}
    keys["zzzz-late"] = keys.pop("late")
    await founding.lay(desired, ignore)
    assert books(fake) == MADE
    assert "late" not in {*network.networks, *network.groups, *network.routers}


async def test_what_is_otherwise_stays_and_is_told_of(fake: OpenStack, desired: DesiredState) -> None:
    await founding.lay(desired, ignore)
    foundation = desired.cloud.openstack.foundation
    network = {"inner": replace(foundation.network["inner"], cidr="10.30.0.0/24")}
    openstack = replace(desired.cloud.openstack, foundation=replace(foundation, network=network))
    told: list[Recorded] = []
    await founding.lay(replace(desired, cloud=replace(desired.cloud, openstack=openstack)), told.append)
    assert books(fake) == MADE
    (refused,) = [recorded.event for recorded in told]
    assert isinstance(refused, FoundationRefused)
    assert refused.words == "subnet inner is there as 10.20.0.0/24, not as 10.30.0.0/24; hfs leaves it as it is"


async def test_a_wrong_name_ends_it_with_the_words(fake: OpenStack, desired: DesiredState) -> None:
    del fake.network.networks[next(net for net, item in fake.network.networks.items() if item["name"] == "public")]
    with pytest.raises(Rejected, match="this project has no network 'public'"):
        await founding.lay(desired, ignore)


# The end


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Servers]:
    async with embedded(tmp_path / "registry") as servers:
        yield servers


@pytest.fixture
def living(desired: DesiredState, registry: Servers) -> DesiredState:
    return replace(desired, registry=replace(desired.registry, hosts=registry.hosts))


async def furnish(desired: DesiredState) -> None:
    """Put something of everything into the cloud, and something of others."""
    await founding.lay(desired, ignore)
    estate = founding.estate(desired, SystemClock())
    for number in range(3):
        await estate.cloud.create(spec(ENVIRONMENT, f"small-000{number}"))
    balancer = replace(desired, balancer=None)
    await founding.estate(balancer, SystemClock()).balancer.create(
        (BalancerMember(place=Place("10.20.0.9", 80), weight=100),)
    )
    other = replace(desired, environment=EnvironmentName("ground-other"))
    await founding.lay(other, ignore)
    await founding.estate(other, SystemClock()).cloud.create(spec(other.environment, "small-0001"))


async def test_destroy_removes_all_of_it_and_nothing_of_others(
    fake: OpenStack, living: DesiredState, tmp_path: Path
) -> None:
    await furnish(living)
    async with connected(*living.registry.hosts) as session:
        for path in ("", "/servers", "/servers/small-0001", "/ledger"):
            await session.create(Layout(ENVIRONMENT).root + path)
        await session.create("/hfs/ground-other")
        found = await founding.look(living, ignore)
        assert found.servers == ("server small-0000", "server small-0001", "server small-0002")
        assert len(found.balancer) == 1
        assert len(found.pieces) == 7
        await founding.clear(living, tmp_path, ignore)
        assert await session.children("/hfs") == ("ground-other",)
    left = [record for record in fake.compute.servers.records.values() if not record.is_gone]
    assert [record.asked.metadata["hfs_environment"] for record in left] == ["ground-other"]
    assert books(fake)["network"] == ["hfs_ground-other_inner"]
    assert len(fake.network.ports) == 2, "those of the other environment: its server's and its router's"
    assert (await founding.look(living, ignore)).all == ()


async def test_destroy_leaves_alone_what_an_appliance_runs(
    fake: OpenStack, living: DesiredState, tmp_path: Path
) -> None:
    await founding.lay(living, ignore)
    async with connected(*living.registry.hosts) as session:
        await session.create(Layout(ENVIRONMENT).candidates)
        await session.create(Layout(ENVIRONMENT).candidate(session.session().session_id), b"{}", is_ephemeral=True)
        with pytest.raises(founding.Alive):
            await founding.clear(living, tmp_path, ignore)
    assert books(fake) == MADE
