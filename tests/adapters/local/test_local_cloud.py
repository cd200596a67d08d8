"""The local provider's own promises: process groups, loopback addresses, crashes at any step. Real processes."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.local.cloud import LocalCloud
from hfs_appliance.adapters.marks import SERVER_MARK, find_marked
from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.adapters.nginx.workers import find_below
from hfs_appliance.adapters.process import ProcessId, read_pidfile, wait_dead, write_pidfile
from hfs_appliance.model import desired
from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.errors import Exhausted, Transient
from hfs_appliance.proxy.table import RouteTable
from hfs_appliance.registry.formats import read_identity
from tests.support.clouds import IDLE_AGENT, OWN_NONCE, kill_all, spec, wait_gone, wait_status

ENVIRONMENT = EnvironmentName("local-test")
ONE, TWO = ServerId("small-0001"), ServerId("small-0002")
STUBBORN_AGENT = ("/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
STRAYING_AGENT = ("/bin/sh", "-c", "setsid sleep 600 & echo strayed; exec sleep 600")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a state directory whose servers do not outlive the test."""
    yield tmp_path
    await kill_all(provider(tmp_path))


def provider(
    state: Path, *, command: tuple[str, ...] = IDLE_AGENT, network: str = "127.77.0.0/16", boot: float = 0
) -> LocalCloud:
    settings = desired.LocalCloud(network=network, boot=seconds(boot), updates=seconds(3), configuration=seconds(4))
    return LocalCloud(ENVIRONMENT, state, settings, SystemClock(), command)


def members(server: ServerId) -> tuple[ProcessId, ...]:
    return find_marked(SERVER_MARK, f"{ENVIRONMENT}/{server}/{OWN_NONCE}")


def init_of(state: Path, server: ServerId) -> ProcessId:
    process = read_pidfile(state / "servers" / server / "init.pid")
    assert process is not None
    return process


async def wait_logged(cloud: LocalCloud, server: ServerId, words: str) -> None:
    with trio.fail_after(20):
        while True:
            if words in await cloud.log(server, 100):
                return
            await trio.sleep(0.01)


async def test_two_appliances_share_the_servers_of_one_directory(state: Path) -> None:
    settings = desired.LocalCloud(boot=seconds(0), directory=str(state / "servers"))
    places = (state / "one", state / "two")
    one, two = (LocalCloud(ENVIRONMENT, place, settings, SystemClock(), IDLE_AGENT) for place in places)
    made = await one.create(spec(ENVIRONMENT, ONE))
    assert await two.create(spec(ENVIRONMENT, ONE)) == made
    assert list((await two.servers()).servers) == [ONE]
    await two.delete(ONE)
    with trio.fail_after(20):
        await wait_gone(one, ONE)


async def test_a_server_is_a_process_group_and_session_of_its_own(state: Path) -> None:
    cloud = provider(state)
    await cloud.create(spec(ENVIRONMENT, ONE))
    await wait_logged(cloud, ONE, "here")
    init = init_of(state, ONE)
    assert os.getsid(init.pid) == init.pid != os.getsid(0)
    assert {os.getpgid(member.pid) for member in members(ONE)} == {init.pid}


async def test_the_agent_is_told_who_it_is(state: Path) -> None:
    made = await provider(state).create(spec(ENVIRONMENT, ONE))
    identity = read_identity((state / "servers" / ONE / "identity.json").read_bytes())
    assert (identity.server, identity.nonce, identity.address) == (ONE, made.nonce, made.address)
    assert (identity.updates, identity.configuration, identity.session_timeout) == (seconds(3), seconds(4), seconds(2))


async def test_a_dead_agent_is_started_again(state: Path) -> None:
    cloud = provider(state, command=("/bin/sh", "-c", "echo born; exec sleep 600"))
    await cloud.create(spec(ENVIRONMENT, ONE))
    await wait_logged(cloud, ONE, "born")
    (agent,) = [member for member in members(ONE) if member != init_of(state, ONE)]
    os.kill(agent.pid, signals.SIGKILL)
    await wait_logged(cloud, ONE, "Killed\nborn")
    assert (await cloud.server(ONE)).status is CloudStatus.ACTIVE


async def test_a_server_whose_agent_has_done_its_work_stops(state: Path) -> None:
    cloud = provider(state, command=("/bin/true",))
    await cloud.create(spec(ENVIRONMENT, ONE))
    with trio.fail_after(20):
        await wait_status(cloud, ONE, CloudStatus.STOPPED)


async def test_addresses_start_at_the_lowest_and_leave_the_odd_ones_out(state: Path) -> None:
    cloud = provider(state, network="127.77.1.254/31")
    assert (await cloud.create(spec(ENVIRONMENT, ONE))).address == "127.77.1.254"
    with pytest.raises(Exhausted):
        await cloud.create(spec(ENVIRONMENT, TWO))
    assert (await provider(state, network="127.77.2.0/24").create(spec(ENVIRONMENT, TWO))).address == "127.77.2.1"


async def test_an_address_is_free_again_when_its_server_is_gone(state: Path) -> None:
    cloud = provider(state)
    first = await cloud.create(spec(ENVIRONMENT, ONE))
    await cloud.delete(ONE)
    with trio.fail_after(20):
        await wait_gone(cloud, ONE)
    assert (await cloud.create(spec(ENVIRONMENT, TWO))).address == first.address


async def test_a_draft_left_by_a_crash_is_no_server_and_in_nobodys_way(state: Path) -> None:
    (state / "servers" / f".new-{ONE}").mkdir(parents=True)
    cloud = provider(state)
    assert (await cloud.servers()).servers == {}
    await cloud.create(spec(ENVIRONMENT, ONE))
    assert list((await cloud.servers()).servers) == [ONE]


async def test_a_server_that_a_crash_left_unstarted_is_started_by_the_next_create(state: Path) -> None:
    broken = provider(state)
    (state / "servers").mkdir()
    await broken.create(spec(ENVIRONMENT, ONE))
    await broken.kill(ONE)
    (state / "servers" / ONE / "init.pid").unlink()
    cloud = provider(state)
    assert (await cloud.server(ONE)).fault == "it was never started"
    assert (await cloud.create(spec(ENVIRONMENT, ONE))).status is CloudStatus.ACTIVE


async def test_an_init_that_a_crash_left_without_pidfile_is_taken_over(state: Path) -> None:
    cloud = provider(state)
    await cloud.create(spec(ENVIRONMENT, ONE))
    init = init_of(state, ONE)
    (state / "servers" / ONE / "init.pid").unlink()
    await provider(state).create(spec(ENVIRONMENT, ONE))
    assert init_of(state, ONE) == init
    assert [member for member in members(ONE) if os.getsid(member.pid) == member.pid] == [init]


async def test_an_init_that_a_crash_left_without_pidfile_runs_for_whoever_looks(state: Path) -> None:
    cloud = provider(state)
    await cloud.create(spec(ENVIRONMENT, ONE))
    init = init_of(state, ONE)
    (state / "servers" / ONE / "init.pid").unlink()
    assert (await provider(state).servers()).servers[ONE].status is CloudStatus.ACTIVE
    assert init_of(state, ONE) == init


async def test_kill_takes_every_process_at_once(state: Path) -> None:
    cloud = provider(state, command=STRAYING_AGENT)
    await cloud.create(spec(ENVIRONMENT, ONE))
    await wait_logged(cloud, ONE, "strayed")
    victims = members(ONE)
    await cloud.kill(ONE)
    with trio.fail_after(20):
        for victim in victims:
            await wait_dead(victim)
    assert members(ONE) == ()
    assert (await cloud.server(ONE)).status is CloudStatus.STOPPED


async def test_deletion_is_patient_and_then_firm(state: Path) -> None:
    cloud = provider(state, command=STUBBORN_AGENT)
    await cloud.create(spec(ENVIRONMENT, ONE))
    await wait_logged(cloud, ONE, "deaf")
    await cloud.delete(ONE)
    assert (await cloud.server(ONE)).status is CloudStatus.DELETING
    with trio.fail_after(20):
        await wait_gone(cloud, ONE)
    assert members(ONE) == ()


@pytest.mark.nginx
@pytest.mark.parametrize("is_killed", [True, False])
async def test_an_nginx_ends_with_its_server_though_it_carries_no_mark(state: Path, *, is_killed: bool) -> None:
    cloud = provider(state)
    await cloud.create(spec(ENVIRONMENT, ONE))
    place = state / "servers" / ONE / "home"
    place.mkdir()
    proxy = NginxProxy(place / "nginx", listen=("127.77.0.1", 18080))
    table = RouteTable(address="127.77.0.1", port=18080, connect_timeout=seconds(1), response_timeout=seconds(1))
    await proxy.publish(table)
    assert len(find_below(state)) >= 2
    if is_killed:
        await cloud.kill(ONE)
    else:
        await cloud.delete(ONE)
        with trio.fail_after(20):
            await wait_gone(cloud, ONE)
    with trio.fail_after(20):
        while True:
            if not find_below(state):
                break
            await trio.sleep(0.05)
    await proxy.stop()


async def test_a_server_whose_init_is_dead_is_off(state: Path) -> None:
    cloud = provider(state)
    await cloud.create(spec(ENVIRONMENT, ONE))
    await wait_logged(cloud, ONE, "here")
    os.kill(init_of(state, ONE).pid, signals.SIGKILL)
    with trio.fail_after(20):
        await wait_status(cloud, ONE, CloudStatus.STOPPED)
    assert members(ONE) == ()


async def test_processes_of_another_server_of_that_name_are_never_shot(state: Path, tmp_path: Path) -> None:
    elsewhere = provider(tmp_path / "elsewhere")
    await elsewhere.create(spec(ENVIRONMENT, ONE, nonce=f"elsewhere-{OWN_NONCE}"))
    cloud = provider(state)
    await cloud.create(spec(ENVIRONMENT, ONE))
    await cloud.kill(ONE)
    # As when numbers are used again: that of our dead init is somebody else's now.
    stranger = init_of(tmp_path / "elsewhere", ONE)
    write_pidfile(state / "servers" / ONE / "init.pid", replace(stranger, started=stranger.started - 1))
    await cloud.kill(ONE)
    try:
        assert (await elsewhere.server(ONE)).status is CloudStatus.ACTIVE
    finally:
        await kill_all(elsewhere)


async def test_an_unreadable_server_makes_the_list_incomplete(state: Path) -> None:
    cloud = provider(state)
    await cloud.create(spec(ENVIRONMENT, ONE))
    (state / "servers" / TWO).mkdir()
    (state / "servers" / TWO / "server.json").write_text("{")
    view = await cloud.servers()
    assert list(view.servers) == [ONE]
    assert not view.is_complete
    with pytest.raises(Transient):
        await cloud.server(TWO)
    (state / "servers" / TWO / "server.json").unlink()


async def test_the_log_is_the_tail_of_what_was_written(state: Path) -> None:
    cloud = provider(state, command=("/bin/sh", "-c", "seq 1 100000; echo last; exec sleep 600"))
    await cloud.create(spec(ENVIRONMENT, ONE))
    await wait_logged(cloud, ONE, "last")
    assert await cloud.log(ONE, 3) == "99999\n100000\nlast"
