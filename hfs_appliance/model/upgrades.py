"""What the admin API tells of rollouts and of the history of the desired state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hfs_appliance.model.ids import ServiceName, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """`hfs rollouts`: one service, its rollout that runs or was the last one."""

    service: ServiceName
    number: int
    strategy: str
    phase: str
    step: int
    steps: int
    old: Mapping[Version, int]
    """Versions that had the requests when it began, with the instances that serve now."""
    new: Mapping[Version, int]
    """Versions that are to have them, with the instances that serve now."""
    wanted: int
    """Instances of the new versions together."""
    weights: Mapping[Version, int]
    """Per mille of the requests, as every proxy is told; empty: evenly over all instances."""
    epoch: int
    lagging: tuple[str, ...]
    """Proxies that do not follow that epoch yet."""
    since: str
    words: str
    """Why it is in this phase."""
    waits_for: str
    until: str | None
    """When it is given up, or goes on by itself."""
    is_held: bool
    """It will not go on by itself."""
    is_paused: bool
    is_reverting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An operator's order is written; the next plan obeys it."""

    service: ServiceName
    number: int
    order: str
    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationReport:
    """`hfs history`: one generation of the desired state."""

    generation: int
    author: str
    at: str
    file: str
    words: str
    """What made it."""
    is_in_force: bool
