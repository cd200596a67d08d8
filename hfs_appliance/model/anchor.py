"""The identity anchor: which fleet this registry belongs to, so that it is never taken for another one's.

It lies in the registry; every server carries the uuid in its metadata, and the cloud says which project it answers for.
Where they do not agree, nothing is done until an operator has looked (`mcp/identity.py`, `hfs adopt`).
"""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.model.ids import EnvironmentUuid, Nonce


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Content of `anchor`."""

    uuid: EnvironmentUuid
    """Of the fleet; it outlives a registry that was emptied."""
    project: str
    """The cloud's own name for where the fleet lives."""
    incarnation: Nonce
    """New with each adoption: what an appliance has seen under another one says nothing about this registry."""
    foreign: tuple[EnvironmentUuid, ...] = ()
    """Fleets of others of this environment's name, known to an operator: neither counted nor touched."""
