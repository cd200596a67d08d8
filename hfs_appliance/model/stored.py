"""The stored desired state: the operator's own text with its generation, as it lies in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.rollout import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDesired:
    """Content of `desired`. What is in force is `source`, with `counts` in place of its instance counts."""

    generation: int
    author: str
    at: Instant
    file: str
    """Name of the file that `source` came from: for messages, and relative paths start from its folder."""
    source: str
    """TOML, exactly as the operator wrote it."""
    offered: str = ""
    """SHA-256 of the file that `hfs run` was last started with: offered again, it is not news."""
    is_closing: bool = False
    """Everything is to be retired (`hfs down`), whoever leads; the next `hfs run` begins anew from its file."""
    counts: Mapping[ServiceName, Mapping[Version, int]] = field(default_factory=dict)
    """What `hfs scale` and `hfs upgrade` have set since the source was applied."""
    strategies: Mapping[ServiceName, Strategy] = field(default_factory=dict)
    """How `hfs upgrade --strategy` has the versions of services replaced, since the source was applied."""
    words: str = ""
    """What made this generation."""
    former: Mapping[ServiceName, Mapping[Version, int]] = field(default_factory=dict)
    """What services ran before the set of their versions changed the last time."""
