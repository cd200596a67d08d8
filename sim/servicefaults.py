"""What is wrong with services now, wherever they run: plain switches, which faults turn and the world obeys."""

from __future__ import annotations

from dataclasses import dataclass, field

from hfs_appliance.model.ids import Version


@dataclass(slots=True, kw_only=True)
class ServiceFaults:
    """What is wrong with services, wherever they run."""

    broken_versions: set[Version] = field(default_factory=set)
    """H8: instances of these never answer."""
    slow_versions: dict[Version, int] = field(default_factory=dict)
    """H8: instances of these take so many times longer for everything."""
    erring_versions: dict[Version, int] = field(default_factory=dict)
    """H8: so many of the answers of these are errors, per mille."""
