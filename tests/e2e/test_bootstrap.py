"""An environment from a registry and hfs alone, on a cloud of processes: killed on the way, finished, destroyed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.process import own_command
from sim.wire.openstack.http import serve
from sim.wire.openstack.machines import Machines
from sim.wire.openstack.whole import OpenStack, openstack, write_clouds_yaml
from tests.support.appliance import ROOT, free_addresses
from tests.support.zookeeper import embedded

pytestmark = pytest.mark.e2e

FILE = """
[environment]
name = "boot"
[registry]
hosts = ["{registry}"]
[cloud]
provider = "openstack"
[cloud.openstack]
cloud = "fake"
clouds_file = "clouds.yaml"
image = "debian-12"
flavor = "m1.small"
networks = ["inner"]
keypair = "team"
[cloud.openstack.foundation.network.inner]
cidr = "127.{octet}.0.0/24"
[cloud.openstack.foundation.keypair.team]
public_key = "ssh-ed25519 AAAA team"
[endpoint]
listen = "{endpoint}"
[admin]
listen = "{admin}"
[quota]
max_servers = 9
[pool.small]
size = 1
[service.dns]
pool = "small"
port = 9000
health = {{ interval = "1s" }}
run = {{ directory = "{services}/dns", command = ["python3", "{{directory}}/service.py"] }}
[service.dns.version."1.0.0"]
instances = 2
"""


@dataclass
class Site:
    """A cloud on loopback, and a file for it."""

    fake: OpenStack
    file: Path

    @property
    def servers(self) -> list[str]:
        """Names of the servers that there are, by the cloud's own books."""
        records = self.fake.compute.servers.records.values()
        return sorted(record.asked.name for record in records if not record.is_gone)

    def start(self, command: str, *options: str) -> subprocess.Popen[bytes]:
        """Start a command of hfs."""
        arguments = [
            sys.executable,
            "-m",
            "hfs_appliance",
            command,
            str(self.file),
            "--state",
            f"{self.file.parent}/state",
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        with (self.file.parent / "log").open("ab") as log:
            return subprocess.Popen([*arguments, *options], stdout=log, stderr=log, cwd=ROOT, env=environment)

    async def finish(self, command: str, *options: str) -> int:
        """Run a command of hfs to its end."""
        with trio.fail_after(150):
            return await trio.to_thread.run_sync(self.start(command, *options).wait, abandon_on_cancel=True)


@asynccontextmanager
async def site(directory: Path) -> AsyncIterator[Site]:
    endpoint, admin = free_addresses(2)
    machines = Machines(directory / "servers", own_command())
    fake = openstack(birth=machines.birth)
    machines.servers = fake.compute.servers
    async with embedded(directory / "registry") as registry, trio.open_nursery() as nursery:
        write_clouds_yaml(directory, await nursery.start(serve, fake.cloud.handle, "127.0.0.1", 0))
        nursery.start_soon(fake.cloud.run)
        file = directory / "boot.toml"
        words = {"registry": registry.hosts[0], "endpoint": endpoint, "admin": admin, "octet": 100 + os.getpid() % 100}
        file.write_text(FILE.format(services=ROOT / "configs" / "services", **words))
        yield Site(fake, file)
        nursery.cancel_scope.cancel()
    machines.clear()


async def test_a_bootstrap_that_is_killed_is_finished_and_all_of_it_destroyed(tmp_path: Path) -> None:
    async with site(tmp_path) as there:
        fake = there.fake
        killed = there.start("bootstrap")
        with trio.fail_after(60):
            while not there.servers:  # noqa: ASYNC110  # another process's doing
                await trio.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        await trio.to_thread.run_sync(killed.wait)

        assert await there.finish("bootstrap") == 0, (tmp_path / "log").read_text()
        assert len(there.servers) == len(set(there.servers)) == 3, "two instances, and one in the pool"
        assert [name for name in fake.compute.keys.pairs if name.startswith("hfs_")] == ["hfs_boot_team"]
        assert (await there.finish("destroy")) == 2, "nobody is there to ask"
        assert len(there.servers) == 3

        assert await there.finish("destroy", "--yes") == 0, (tmp_path / "log").read_text()
        assert there.servers == []
        assert not (tmp_path / "state" / "nginx").exists(), "nor is a table of servers that are gone"
        assert fake.network.ports == {}
        assert [item["name"] for item in fake.network.networks.values()] == ["private"]
        assert list(fake.compute.keys.pairs) == ["operators"]
