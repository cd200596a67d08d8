"""What is wrong now with servers and services, wherever they are: plain switches, which faults turn, the world obeys.

Rates are per mille.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hfs_appliance.model.ids import Version
from hfs_appliance.model.recipe import Recipe


@dataclass(slots=True, kw_only=True)
class ServiceFaults:
    """What is wrong with booting, building, services and their checks."""

    slow_boots: int = 0
    """V13: boots that take many times as long."""
    slow_builds: int = 1
    """P3, P7: factor on the time of updates and configuration."""
    failing_builds: int = 0
    """P1: configuration runs that fail at some step."""
    broken_images: set[str] = field(default_factory=set)
    """V1, P1: images on which configuration never ends well."""
    is_mirror_down: bool = False
    """P8: whether no package can be fetched."""
    failing_starts: int = 0
    """P2: starts of services after which nothing listens."""
    are_checks_failing: bool = False
    """G10: whether every agent takes its service for ill, which it is not."""

    broken_versions: set[Version] = field(default_factory=set)
    """H8: instances of these never answer."""
    slow_versions: dict[Version, int] = field(default_factory=dict)
    """H8: what instances of these take for everything, per mille of what is usual."""
    erring_versions: dict[Version, int] = field(default_factory=dict)
    """H8: so many of the answers of these are errors, per mille."""

    def spoil(self, recipe: Recipe) -> bool:
        """Tell whether nothing that is built by a recipe is ever built to its end."""
        return self.is_mirror_down or recipe.image in self.broken_images
