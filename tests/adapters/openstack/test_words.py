"""What an operator reads when the cloud fails: docs/openstack.md has a table of it, and these are its words."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.mcp.phases import RULES
from hfs_appliance.model.events import CloudUnreachable
from hfs_appliance.model.ids import AvailabilityZone
from hfs_appliance.model.instants import HOUR, seconds
from hfs_appliance.model.observed import CloudServer, CloudStatus
from hfs_appliance.ports.errors import Exhausted, PortError, Transient
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.observe_cloud import CloudObserver
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.words import words
from sim.wire.openstack.mishaps import Mishap
from sim.wire.openstack.whole import OpenStack, write_clouds_yaml
from tests.adapters.openstack.parts import ENVIRONMENT, ONE, TWO, asked
from tests.support.clouds import wait_status
from tests.support.openstacks import SETTINGS, client, serving

PAGE = Path(__file__).parents[3] / "docs" / "openstack.md"
ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<event>[a-z-]+)` \| `(?P<words>[^`]+)` \|", re.MULTILINE)
TABLE = {row["what"]: row for row in ROW.finditer(PAGE.read_text())}


def quoting(name: str, server: CloudServer) -> str:
    """Give the words of a row of the rule table on a server with which something is wrong."""
    (rule,) = [rule for rule in RULES if rule.name == name]
    assert rule.quotes
    return f"{rule.words}: {server.fault}"


def check(what: str, event: str, told: str) -> None:
    """Compare what was told with the table; `…` there stands for anything."""
    row = TABLE[what]
    pattern = ".*".join(map(re.escape, row["words"].split("…")))
    assert re.fullmatch(pattern, told), f"{what}: {told}"
    assert row["event"] == event


async def listed(cloud: OpenStackCloud) -> tuple[str, str]:
    """Let the observer read the list; give the kind of event and the words that come of it."""
    bus, told = EventBus(SystemClock()), list[tuple[str, str]]()
    bus.subscribe("test", lambda recorded: told.append((recorded.event.kind, words(recorded.event))))
    observer = CloudObserver(cloud, seconds(1), clock=SystemClock(), sink=bus, dirty=(Dirty(),))
    await observer._look()
    (found,) = told
    assert found[0] == CloudUnreachable.kind
    return found


async def refused(cloud: OpenStackCloud, kind: type[PortError]) -> str:
    """Ask for a server that is refused; give the words of the action that has failed."""
    with pytest.raises(kind) as failed:
        await cloud.create(asked())
    return failed.value.words


async def test_no_valid_host(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.full_zones.add(AvailabilityZone("az1"))
    await cloud.create(asked())
    failed = await wait_status(cloud, ONE, CloudStatus.ERROR)
    check("NoValidHost: no host has room", "phase-changed", quoting("build-error", failed))


async def test_quota(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.quota = 1
    await cloud.create(asked(TWO))
    check("the quota is used up", "action-failed", await refused(cloud, Exhausted))


async def test_more_than_the_quota_at_once(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.quota, fake.cloud.faults.unseen = 1, HOUR
    await cloud.create(asked(TWO))
    await cloud.create(asked())
    failed = await wait_status(cloud, ONE, CloudStatus.ERROR)
    assert failed.is_exhausted
    check("more is asked for at once than the quota has room for", "phase-changed", quoting("over-quota", failed))
    assert (await cloud.server(TWO)).status is not CloudStatus.ERROR


async def test_a_build_that_never_ends(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.stalled_builds = 1000
    await cloud.create(asked())
    fake.cloud.skip(seconds(1800))
    assert (await cloud.server(ONE)).status is CloudStatus.BUILDING, "nova never says that it has failed"

    (rule,) = [rule for rule in RULES if rule.name == "build-failed"]
    check("a build that never ends", "phase-changed", rule.words)


async def test_error_on_delete(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked())
    await wait_status(cloud, ONE, CloudStatus.ACTIVE)
    fake.cloud.faults.broken_deletes = 1000
    await cloud.delete(ONE)
    failed = await wait_status(cloud, ONE, CloudStatus.ERROR)
    check("a deletion ends in ERROR", "phase-changed", quoting("delete", failed))
    fake.cloud.faults.broken_deletes = 0
    await cloud.delete(ONE)


async def test_an_expired_token(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.servers()
    fake.cloud.mishaps.next("POST", "/servers$", Mishap(status=401))
    check("the token has ended", "action-failed", await refused(cloud, Transient))
    await cloud.create(asked())


async def test_nova_is_away(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.servers()
    fake.cloud.mishaps.next("GET", "/servers", Mishap(status=503))
    kind, told = await listed(cloud)
    check("nova-api is away", kind, told)
    assert (await cloud.servers()).servers == {}, "and with the next answer it is back"


async def test_a_list_of_another_project(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked())
    (record,) = fake.compute.servers.records.values()
    told = {"servers": [{"id": record.asked.id, "status": "ACTIVE", "tenant_id": "other", "metadata": {}}]}

    fake.cloud.mishaps.next("GET", "/servers/detail", Mishap(raw=json.dumps(told).encode(), status=200))
    kind, words_of_it = await listed(cloud)
    check("an answer for another project", kind, words_of_it)


@pytest.fixture
async def stranger(fake: OpenStack, tmp_path: Path) -> AsyncIterator[OpenStackCloud]:
    """Give a client whose clouds.yaml names a project that the account has nothing to do with."""
    async with serving(fake, tmp_path) as clouds_file:
        port = int(clouds_file.read_text().split("127.0.0.1:")[1].split("/")[0])
        yield client(
            write_clouds_yaml(tmp_path, port, project="nobodys"),
            ENVIRONMENT,
            replace(SETTINGS, call_within=seconds(10)),
        )


async def test_a_wrong_project_or_password(stranger: OpenStackCloud) -> None:
    with trio.fail_after(60):
        kind, told = await listed(stranger)
    check("a wrong project, user or password", kind, told)
