"""Servers for the tests of what an agent does on one: a place in the file system, with nothing in it yet."""

from __future__ import annotations

from pathlib import Path

from hfs_appliance.agent.site import Site
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, Nonce, PoolName, ServerId
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.recipe import PLAIN, Recipe


def site_of(place: Path, environment: str, recipe: Recipe = PLAIN, nonce: str = "0123456789abcdef") -> Site:
    """Give a server of an environment, made by a recipe."""
    identity = Identity(
        environment=EnvironmentName(environment),
        server=ServerId("small-0001"),
        nonce=Nonce(nonce),
        pool=PoolName("small"),
        az=AvailabilityZone("az1"),
        address="127.0.0.1",
        registry_hosts=(),
        session_timeout=seconds(1),
        updates=seconds(0),
        configuration=seconds(0),
        recipe=recipe,
    )
    return Site(place, identity)
