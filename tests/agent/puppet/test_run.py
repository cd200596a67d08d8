"""How Puppet is run, and what is made of what it leaves: a stand-in plays recorded runs, and the last test is real."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.puppet.run import build, configure
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.recipe import Puppet, PuppetServer
from tests.agent.puppet.conftest import MakeSite, assignment

LOG = Log(SystemClock())


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give what sets PLAY, with the stand-in in the place of Puppet."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "puppet").symlink_to(Path(__file__).parent / "stand_in.py")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return monkeypatch


def _called(site: Site) -> tuple[list[str], dict[str, str]]:
    words, facts = json.loads((site.puppet / "called.json").read_text())
    return words, {name.removeprefix("FACTER_hfs_"): value for name, value in facts.items()}


async def test_the_factory_applies_the_pools_role_with_the_servers_facts(
    stand_in: pytest.MonkeyPatch, make_site: MakeSite, modules: Path
) -> None:
    stand_in.setenv("PLAY", "changed 2")
    puppet = Puppet(directory=str(modules), role="base")
    site = make_site(puppet)
    assert await build(site, puppet, LOG) == "9 resources, 2 changed"
    words, facts = _called(site)
    assert words[:2] == ["apply", "--detailed-exitcodes"]
    assert words[-2:] == ["-e", "include base"]
    assert facts == {
        "environment": "puppet",
        "server": "small-0001",
        "pool": "small",
        "az": "az1",
        "address": "127.0.0.1",
        "directory": str(site.directory),
        "role": "base",
    }


async def test_without_a_role_the_modules_own_manifests_say_what_to_do(
    stand_in: pytest.MonkeyPatch, make_site: MakeSite, modules: Path
) -> None:
    stand_in.setenv("PLAY", "unchanged 0")
    puppet = Puppet(directory=str(modules))
    site = make_site(puppet)
    assert await build(site, puppet, LOG) == "9 resources"
    assert _called(site)[0][-1] == str(site.puppet / "environments" / "hfs" / "manifests")


async def test_a_role_is_applied_once_more_with_service_version_and_slot(
    stand_in: pytest.MonkeyPatch, make_site: MakeSite, modules: Path
) -> None:
    stand_in.setenv("PLAY", "changed 2")
    site = make_site(Puppet(directory=str(modules), role="base"))
    await configure(site, assignment(site, "profile::api"), LOG)
    words, facts = _called(site)
    assert words[-1] == "include profile::api"
    told = {name: facts[name] for name in ("role", "service", "version", "slot")}
    assert told == {"role": "profile::api", "service": "dns", "version": "1.2.3", "slot": "4"}


async def test_a_service_without_a_role_of_puppets_is_none_of_its_business(make_site: MakeSite) -> None:
    site = make_site(None)
    await configure(site, assignment(site, None), LOG)
    assert not site.puppet.exists()
    with pytest.raises(StepError, match="the pool of this server was built without Puppet"):
        await configure(site, assignment(site, "profile::api"), LOG)


async def test_a_puppet_server_is_asked_under_a_name_that_is_never_used_again(
    stand_in: pytest.MonkeyPatch, make_site: MakeSite
) -> None:
    stand_in.setenv("PLAY", "changed 2")
    puppet = Puppet(server=PuppetServer(host="puppet.example.com:8140"))
    site = make_site(puppet)
    await build(site, puppet, LOG)
    words, _ = _called(site)
    assert words[0] == "agent"
    assert {"--server=puppet.example.com", "--serverport=8140", "--environment=production"} <= set(words)
    assert f"--ssldir={site.puppet / 'ssl'}" in words, "nothing of it lies outside of the server's directory"
    assert "--certname=puppet-small-0001-0123456789abcdef" in words


async def test_what_fails_is_told_resource_by_resource(
    stand_in: pytest.MonkeyPatch, make_site: MakeSite, modules: Path
) -> None:
    stand_in.setenv("PLAY", "failed 6")
    puppet = Puppet(directory=str(modules), role="base")
    site = make_site(puppet)
    with pytest.raises(StepError, match=r"Puppet: 12 resources, 2 failed, 1 skipped; Exec\[migrate\]") as told:
        await build(site, puppet, LOG)
    assert [line.partition(" ")[0] for line in told.value.report] == ["Exec[migrate]", "File[/proc/nowhere/file]"]


async def test_a_run_without_a_catalogue_is_told_by_its_last_error_and_not_by_an_older_report(
    stand_in: pytest.MonkeyPatch, make_site: MakeSite, modules: Path
) -> None:
    puppet = Puppet(directory=str(modules), role="base")
    site = make_site(puppet)
    stand_in.setenv("PLAY", "failed 4")
    with pytest.raises(StepError, match="2 failed"):
        await build(site, puppet, LOG)
    stand_in.setenv("PLAY", "no-class 1")
    with pytest.raises(StepError, match=r"Puppet ended with status 1: .* Could not find class ::nowhere"):
        await build(site, puppet, LOG)


async def test_a_run_that_takes_too_long_is_ended(
    stand_in: pytest.MonkeyPatch, make_site: MakeSite, modules: Path
) -> None:
    stand_in.setenv("PLAY", "forever")
    puppet = Puppet(directory=str(modules), within=seconds(0.2))
    with pytest.raises(StepError, match="Puppet was ended: it took longer than 200ms"):
        await build(make_site(puppet), puppet, LOG)


async def test_a_server_without_puppet_says_so(
    monkeypatch: pytest.MonkeyPatch, make_site: MakeSite, modules: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    puppet = Puppet(directory=str(modules))
    with pytest.raises(StepError, match="there is no puppet on this server"):
        await build(make_site(puppet), puppet, LOG)


@pytest.mark.puppet
@pytest.mark.skipif(shutil.which("puppet") is None, reason="./build.sh test --puppet installs it")
async def test_the_real_puppet_builds_a_server_and_fails_by_name(make_site: MakeSite, modules: Path) -> None:
    puppet = Puppet(directory=str(modules), role="base")
    site = make_site(puppet)
    assert "1 changed" in await build(site, puppet, LOG)
    assert (site.directory / "motd").read_text() == "small-0001 for base\n"
    with pytest.raises(
        StepError, match=r"1 failed; Exec\[migrate\] \(modules/base/manifests/broken.pp:2\): .*"
    ) as told:
        await configure(site, assignment(site, "base::broken"), LOG)
    assert "echo dns 1.2.3" in str(told.value)
