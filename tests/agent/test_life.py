"""The life of a server with a real agent: real processes, a real registry, real HTTP."""

from __future__ import annotations

import signal as signals
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.process import is_alive, wait_dead
from hfs_appliance.model.desired import Registrar
from hfs_appliance.model.ids import EnvironmentName, Nonce
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.observed import CloudStatus, InstanceStatus
from hfs_appliance.model.recipe import Recipe
from hfs_appliance.ports.errors import Conflict
from hfs_appliance.ports.registry import DeleteOp, Registry
from hfs_appliance.registry import formats
from hfs_appliance.registry.formats import read_trouble
from tests.agent.conftest import PATIENCE_SECONDS, SESSION_MS, Lab, local_cloud
from tests.support.clouds import kill_all, spec, wait_status
from tests.support.registries import find, wait_gone
from tests.support.tcp_proxy import TcpProxy
from tests.support.zookeeper import Servers


async def test_a_built_server_waits_in_the_pool_and_takes_its_role(lab: Lab) -> None:
    entry = formats.read_pool_entry((await lab.wait_entry(lab.pool_path)).value)
    assert (entry.server, entry.nonce, entry.address) == (lab.server.server, lab.server.nonce, lab.server.address)
    registration = await lab.serve()
    assert await find(lab.registry, lab.pool_path) is None
    assert (registration.server, registration.version, registration.status) == (
        entry.server,
        "1.2.3",
        InstanceStatus.UP,
    )
    assert (registration.address, registration.port) == (lab.server.address, lab.assignment.port)
    assert (registration.document, registration.slot) == ("/openapi.json", lab.assignment.slot)


async def test_the_service_finds_its_place_in_environment_and_arguments(lab: Lab) -> None:
    await lab.serve()
    environment = await lab.ask("/environment")
    assert isinstance(environment, dict)
    place = {name: environment.get(name) for name in ("HOST", "PORT", "VERSION", "SERVICE", "SERVER", "SLOT", "WHERE")}
    assert place == {
        "HOST": lab.server.address,
        "PORT": "9000",
        "VERSION": "1.2.3",
        "SERVICE": "obedient",
        "SERVER": "small-0001",
        "SLOT": str(lab.assignment.slot),
        "WHERE": f"{lab.server.address}:9000",
    }
    assert await lab.ask("/arguments") == ["obedient-small-0001", "{other}", str(lab.place / "home")]


async def test_a_role_meant_for_another_nonce_is_left_alone(lab: Lab) -> None:
    meant = replace(lab.assignment, nonce=Nonce("ffffffffffffffff"))
    await lab.registry.create(lab.layout.assignment(lab.server.server), formats.write(meant))
    await lab.wait_logged("meant for another server")
    assert await find(lab.registry, lab.pool_path) is not None
    await lab.registry.set(lab.layout.assignment(lab.server.server), formats.write(lab.assignment))
    await lab.wait_entry(lab.path)


async def test_a_broken_role_is_told_and_left_alone(lab: Lab) -> None:
    await lab.registry.create(lab.layout.assignment(lab.server.server), b"garbage")
    await lab.wait_logged("the assignment cannot be read")
    await lab.registry.set(lab.layout.assignment(lab.server.server), formats.write(lab.assignment))
    await lab.wait_entry(lab.path)


async def test_a_crashed_service_is_deregistered_started_again_and_registered(lab: Lab) -> None:
    before = await lab.serve()
    await lab.tell("/die")
    await lab.wait_logged("service ended with status 3")
    entry = await lab.wait_entry(lab.path, lambda entry: lab.registration(entry).boot != before.boot)
    assert entry.czxid > before.czxid


async def test_what_a_crashed_service_left_behind_does_not_keep_its_port(lab: Lab) -> None:
    before = await lab.serve()
    await lab.ask("/fork")
    lab.signal_service(signals.SIGKILL)
    await lab.wait_entry(lab.path, lambda entry: lab.registration(entry).boot != before.boot)
    assert "in use" not in await lab.log()


async def test_a_hanging_service_leaves_traffic_and_comes_back(lab: Lab) -> None:
    before = await lab.serve()
    lab.signal_service(signals.SIGSTOP)
    await lab.wait_no_entry(lab.path)
    lab.signal_service(signals.SIGCONT)
    entry = await lab.wait_entry(lab.path)
    assert lab.registration(entry).boot == before.boot


async def test_an_unhealthy_answer_leaves_traffic_and_comes_back(lab: Lab) -> None:
    await lab.serve()
    await lab.ask("/become/503")
    await lab.wait_no_entry(lab.path)
    await lab.wait_logged("not healthy: status 503")
    await lab.ask("/become/204")
    await lab.wait_entry(lab.path)


async def test_a_service_that_never_becomes_healthy_is_never_registered(lab: Lab) -> None:
    await lab.assign(environment={"HEALTH": "500"})
    await lab.wait_logged("not healthy: status 500")
    assert await find(lab.registry, lab.path) is None


async def test_a_port_in_use_is_told_and_used_once_it_is_free(lab: Lab) -> None:
    with socket.create_server((lab.server.address, lab.assignment.port)):
        await lab.assign()
        await lab.wait_logged(f"port 9000 of {lab.server.address} is in use by another process", times=2)
        assert await find(lab.registry, lab.path) is None
        trouble = read_trouble((await lab.wait_entry(lab.trouble_path)).value)
        assert (trouble.server, trouble.nonce) == (lab.server.server, lab.server.nonce)
        assert "port 9000" in trouble.words
    await lab.wait_entry(lab.path)
    await wait_gone(lab.registry, lab.trouble_path)


async def test_a_command_that_is_not_there_is_told(lab: Lab) -> None:
    await lab.assign(command=("{directory}/nowhere",))
    await lab.wait_logged("home/nowhere: No such file or directory")


async def test_a_directory_that_is_not_there_is_told(lab: Lab) -> None:
    await lab.assign(directory="/nowhere")
    await lab.wait_logged("cannot copy /nowhere")


async def test_the_pauses_between_starts_grow(lab: Lab) -> None:
    await lab.assign(command=("/bin/false",), restart_backoff=seconds(0.01), restart_backoff_max=seconds(0.3))
    await lab.wait_logged("next start in", times=6)
    pauses = [
        int(line.rpartition(" ")[2].removesuffix("ms"))
        for line in (await lab.log()).splitlines()
        if "next start" in line
    ]
    assert pauses[0] < pauses[2] < pauses[4] <= 375


async def test_a_drained_instance_leaves_traffic_first_and_stops_later(lab: Lab) -> None:
    await lab.serve()
    process = lab.service()
    await lab.drain()
    await lab.wait_entry(lab.path, lambda entry: lab.registration(entry).status is InstanceStatus.DRAINING)
    assert await lab.ask("/become/200") is None
    await lab.wait_no_entry(lab.path)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_dead(process)
    assert (await lab.cloud.server(lab.server.server)).status is CloudStatus.ACTIVE


async def test_a_drained_instance_is_not_started_again_by_the_next_agent(lab: Lab) -> None:
    await lab.serve()
    await lab.drain()
    await lab.wait_logged("agent: stopped")
    lab.signal_agent(signals.SIGKILL)
    await lab.wait_logged("agent: stopped", times=2)
    assert (await lab.log()).count("service begins") == 1
    assert await find(lab.registry, lab.path) is None


async def test_the_next_agent_goes_on_with_the_running_service(lab: Lab) -> None:
    before = await lab.serve()
    process = lab.service()
    session = (await lab.wait_entry(lab.path)).ephemeral_owner
    lab.signal_agent(signals.SIGKILL)
    entry = await lab.wait_entry(lab.path, lambda entry: entry.ephemeral_owner != session)
    assert lab.registration(entry).boot == before.boot
    assert lab.service() == process


async def test_the_next_agent_takes_the_place_in_the_pool_over(lab: Lab) -> None:
    session = (await lab.wait_entry(lab.pool_path)).ephemeral_owner
    lab.signal_agent(signals.SIGKILL)
    await lab.wait_entry(lab.pool_path, lambda entry: entry.ephemeral_owner != session)
    assert "stage updates" not in (await lab.log()).partition("Killed")[2]
    await lab.serve()


async def test_an_agent_asked_to_end_deregisters_before_it_stops_the_service(lab: Lab) -> None:
    before = await lab.serve()
    process = lab.service()
    lab.signal_agent(signals.SIGTERM)
    await lab.wait_no_entry(lab.path)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_dead(process)
    await lab.wait_entry(lab.path, lambda entry: lab.registration(entry).boot != before.boot)


async def test_a_lost_session_is_made_good_by_a_new_registration(lab: Lab, network: TcpProxy) -> None:
    before = await lab.serve()
    process = lab.service()
    session = (await lab.wait_entry(lab.path)).ephemeral_owner
    network.cut()
    await lab.wait_no_entry(lab.path)
    network.heal()
    entry = await lab.wait_entry(lab.path, lambda entry: entry.ephemeral_owner != session)
    assert lab.registration(entry).boot == before.boot
    assert is_alive(process)


async def test_a_short_disconnection_changes_nothing(lab: Lab, network: TcpProxy) -> None:
    await lab.serve()
    entry = await lab.wait_entry(lab.path)
    network.cut()
    network.heal()
    # The agent is connected again when it follows its role again.
    await lab.drain()
    draining = await lab.wait_entry(lab.path, lambda entry: lab.registration(entry).status is InstanceStatus.DRAINING)
    assert (draining.czxid, draining.ephemeral_owner) == (entry.czxid, entry.ephemeral_owner)


async def test_a_registration_that_somebody_removed_is_written_again(lab: Lab) -> None:
    await lab.serve()
    await lab.registry.delete(lab.path)
    await lab.wait_entry(lab.path)


async def test_a_removed_role_ends_the_service_and_the_server(lab: Lab) -> None:
    await lab.serve()
    process = lab.service()
    server = lab.server.server
    await lab.registry.transact(
        [DeleteOp(path=lab.layout.assignment(server)), DeleteOp(path=lab.layout.record(server))]
    )
    await lab.wait_no_entry(lab.path)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_status(lab.cloud, server, CloudStatus.STOPPED)
    assert not is_alive(process)


async def test_a_registry_that_does_not_count_as_far_as_this_server_was_rolled_back_and_takes_no_role_away(
    lab: Lab,
) -> None:
    await lab.serve()
    process = lab.service()
    await lab.registry.set(lab.layout.ledger, formats.write_ledger(Ledger(next_serial=1)))
    server = lab.server.server
    await lab.registry.transact(
        [DeleteOp(path=lab.layout.assignment(server)), DeleteOp(path=lab.layout.record(server))]
    )
    await lab.wait_logged("its record is gone, but")
    assert is_alive(process)


async def test_a_registry_that_lost_its_content_takes_no_role_away(lab: Lab) -> None:
    before = await lab.serve()
    await empty(lab.registry, lab.layout.root)
    entry = await lab.wait_entry(lab.path, lambda entry: entry.czxid != before.czxid)
    assert lab.registration(entry).boot == before.boot
    await lab.registry.create(lab.layout.assignment(lab.server.server), formats.write(lab.assignment))
    await lab.drain()
    await lab.wait_logged("agent: stopped")


async def empty(registry: Registry, path: str) -> None:
    """Remove an entry with all that is below it, while others write there."""
    while True:
        below = await everything_below(registry, path)
        try:
            await registry.transact([DeleteOp(path=path) for path in reversed([path, *below])])
        except Conflict:
            continue
        return


async def everything_below(registry: Registry, path: str) -> list[str]:
    children = [f"{path}/{name}" for name in await registry.children(path)]
    below = [found for child in children for found in await everything_below(registry, child)]
    return [*children, *below]


async def test_a_service_may_register_itself(lab: Lab) -> None:
    lab.assignment = replace(lab.assignment, registrar=Registrar.SERVICE)
    await lab.assign()
    await lab.wait_logged("healthy: status 200")
    await lab.registry.create(lab.path, b"the service's own")
    lab.signal_agent(signals.SIGTERM)
    await lab.wait_logged("healthy: status 200", times=2)
    assert (await lab.wait_entry(lab.path)).value == b"the service's own"


@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_server_that_is_gone_loses_its_registration(lab: Lab, is_killed: bool) -> None:  # noqa: FBT001
    await lab.serve()
    await (lab.cloud.kill if is_killed else lab.cloud.delete)(lab.server.server)
    await lab.wait_no_entry(lab.path)


async def test_what_keeps_a_server_in_building_is_told_until_it_is_built(
    registry: Registry, servers: Servers, tmp_path: Path
) -> None:
    environment, gate = EnvironmentName("agent-stages"), tmp_path / "gate"
    cloud = local_cloud(environment, tmp_path)
    asked = replace(
        spec(environment, "small-0001"),
        registry_hosts=servers.hosts,
        session_timeout_ms=SESSION_MS,
        recipe=Recipe(updates=("/usr/bin/test", "-e", str(gate))),
    )
    try:
        lab = Lab(environment, registry, cloud, await cloud.create(asked), tmp_path / "servers" / asked.server)
        trouble = read_trouble((await lab.wait_entry(lab.trouble_path)).value)
        assert trouble.words.startswith("stage updates: /usr/bin/test")
        gate.touch()
        entry = formats.read_pool_entry((await lab.wait_entry(lab.pool_path)).value)
        assert entry.built.startswith("updates ")
        await wait_gone(registry, lab.trouble_path)
    finally:
        await kill_all(cloud)
