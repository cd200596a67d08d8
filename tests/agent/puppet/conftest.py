"""A server that Puppet is to build, without a cloud around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from hfs_appliance.agent.site import Site
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
