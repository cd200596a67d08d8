"""A server that Puppet is to build, without a cloud around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from hfs_appliance.agent.site import Site
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import Health, Registrar, RunSpec
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.model.recipe import Puppet, Recipe
from tests.support.sites import site_of

MakeSite: TypeAlias = Callable[[Puppet | None], Site]


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """Give a function that makes the server."""

    def make(puppet: Puppet | None) -> Site:
        place = tmp_path / "server"
        place.mkdir()
        return site_of(place, "puppet", Recipe(puppet=puppet))

    return make


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Give a directory of modules as operators have them."""
    place = tmp_path / "modules"
    manifests = place / "modules" / "base" / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "init.pp").write_text(
        "class base {\n  file { \"${facts['hfs_directory']}/motd\":\n"
        "    content => \"${facts['hfs_server']} for ${facts['hfs_role']}\\n\",\n  }\n}\n"
    )
    (manifests / "broken.pp").write_text(
        "class base::broken {\n  exec { 'migrate':\n"
        "    command => \"/bin/sh -c 'echo ${facts['hfs_service']} ${facts['hfs_version']}; exit 3'\",\n  }\n}\n"
    )
    return place


def assignment(site: Site, role: str | None) -> Assignment:
    """Give the server a role of Puppet's."""
    return Assignment(
        server=site.identity.server,
        nonce=site.identity.nonce,
        service=ServiceName("dns"),
        version=Version("1.2.3"),
        slot=4,
        port=9000,
        run=RunSpec(command=("true",)),
        health=Health(),
        registrar=Registrar.AGENT,
        base_path="/",
        drain=seconds(0),
        claimed_at=Instant(0),
        puppet_role=role,
    )
