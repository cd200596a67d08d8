"""A server that Puppet is to build, without a cloud around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from hfs_appliance.agent.site import Site
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, Nonce, PoolName, ServerId
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.recipe import Puppet, Recipe

MakeSite: TypeAlias = Callable[[Puppet | None], Site]


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """Give a function that makes the server."""

    def make(puppet: Puppet | None) -> Site:
        place = tmp_path / "server"
        place.mkdir()
        identity = Identity(
            environment=EnvironmentName("puppet"),
            server=ServerId("small-0001"),
            nonce=Nonce("0123456789abcdef"),
            pool=PoolName("small"),
            az=AvailabilityZone("az1"),
            address="127.0.0.1",
            registry_hosts=(),
            session_timeout=seconds(1),
            updates=seconds(0),
            configuration=seconds(0),
            recipe=Recipe(puppet=puppet),
        )
        return Site(place, identity)

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
