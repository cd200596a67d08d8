"""The Identity: what a new server is told about itself (user data), and all that its agent starts from."""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, Nonce, PoolName, ServerId
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.recipe import PLAIN, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Content of the identity file that `hfs agent --identity FILE` reads."""

    environment: EnvironmentName
    server: ServerId
    nonce: Nonce
    pool: PoolName
    az: AvailabilityZone
    address: str
    """Address on which this server's service listens."""
    registry_hosts: tuple[str, ...]
    session_timeout: Duration
    updates: Duration
    """How long the updates stage takes (local provider; a real one takes as long as it takes)."""
    configuration: Duration
    """The same for configuration, where Puppet does not do it."""
    recipe: Recipe = PLAIN
    """What the stages do."""
