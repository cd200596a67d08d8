"""`puppet agent` against Debian's Puppet server: who the server is reaches it as facts, and the report is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.puppet.run import build, configure
from hfs_appliance.agent.tool import StepError
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.recipe import Puppet
from tests.agent.puppet.conftest import MakeSite, assignment
from tests.support.puppet_server import SERVER, puppet_server

LOG = Log(SystemClock())
SITE = """
class profile::api {
  file { "${facts['hfs_directory']}/api":
    content => "${facts['hfs_service']} ${facts['hfs_version']} ${trusted['certname']}\\n",
  }
}
class profile::broken {
  exec { 'migrate': command => "/bin/sh -c 'echo ${facts['hfs_service']}; exit 3'" }
}
node default {
  file { "${facts['hfs_directory']}/motd": content => "${facts['hfs_server']} of ${facts['hfs_pool']}\\n" }
  if $facts['hfs_role'] != '' { include $facts['hfs_role'] }
}
"""


@pytest.mark.puppet
@pytest.mark.timeout(1800)
@pytest.mark.skipif(SERVER not in os.environ, reason="takes minutes: ./build.sh test --puppet")
async def test_a_puppet_server_builds_a_server_and_gives_it_its_role(make_site: MakeSite, tmp_path: Path) -> None:
    async with puppet_server(tmp_path / "puppetserver", SITE) as server:
        puppet = Puppet(server=server, within=seconds(600))
        site = make_site(puppet)
        assert "1 changed" in await build(site, puppet, LOG)
        assert (site.directory / "motd").read_text() == "small-0001 of small\n"
        await configure(site, assignment(site, "profile::api"), LOG)
        assert (site.directory / "api").read_text() == "dns 1.2.3 puppet-small-0001-0123456789abcdef\n"
        with pytest.raises(StepError, match=r"1 failed; Exec\[migrate\] \(.*site\.pp:8\): .*") as told:
            await configure(site, assignment(site, "profile::broken"), LOG)
        assert "echo dns" in str(told.value)
        with pytest.raises(StepError, match=r"Could not find class .*profile::nowhere"):
            await configure(site, assignment(site, "profile::nowhere"), LOG)
