"""The Assignment: the role that MCP gives to a warm server; its agent needs nothing else to carry it out."""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.model.desired import Health, Registrar, RunSpec
from hfs_appliance.model.ids import Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Content of `assignments/<id>`."""

    server: ServerId
    nonce: Nonce
    """Nonce of the server it is meant for; an agent with another one leaves it alone."""
    service: ServiceName
    version: Version
    slot: int
    """Stable index of the instance within its service version, from 0."""
    port: int
    run: RunSpec
    health: Health
    registrar: Registrar
    document: str | None = None
    base_path: str
    drain: Duration
    claimed_at: Instant
    puppet_role: str | None = None
    """Class that Puppet applies before the first start."""
    drain_at: Instant | None = None
    """Set when the instance must leave: out of traffic at once, stopped `drain` later. Never taken back."""
