"""Mutants of upgrades: requests without instances, instances that leave with their requests, phases left out."""

from __future__ import annotations

from typing import Any

from hfs_appliance.mcp.rollout import machine
from hfs_appliance.mcp.rollout.moves import entered, written
from hfs_appliance.mcp.rollout.sight import Sight
from hfs_appliance.model.rollout import Rollout, RolloutPhase
from sim.mutants.base import Patch, among, mutant


@mutant(
    "requests-before-instances",
    breaks="a new version gets requests before its instances serve",
    because="H4, V1: all requests go to the one instance that has come up, and it falls over",
    caught_by="requests-where-served",
    world=among("version-changed", "builds-slow"),
)
def requests_before_instances(patch: Patch) -> None:
    """Wait for nobody in EXPAND."""

    def expand(sight: Sight, rollout: Rollout) -> Any:
        return written(sight, machine._expanded(sight, rollout, "they are coming"))

    patch.set(machine, "_expand", expand)


@mutant(
    "old-leaves-first",
    breaks="the old version is retired before the new one is there",
    because="H8, V1: the new version cannot be built or does not come up, and then there is none",
    caught_by="one-rollout",
    world=among("version-changed"),
)
def old_leaves_first(patch: Patch) -> None:
    """Contract first."""

    def preflight(sight: Sight, rollout: Rollout) -> Any:
        return written(sight, entered(rollout, RolloutPhase.CONTRACT, sight.now, "the old one is not wanted any more"))

    patch.set(machine, "_preflight", preflight)


@mutant(
    "leaves-with-its-requests",
    breaks="a version's last instances leave while a proxy still sends them requests",
    because="G8, G3: a proxy that hangs, or is cut off, goes on with the division that it knows",
    caught_by="acknowledged-split",
    world=among("version-changed", "proxy-hangs", "proxy-slow"),
)
def leaves_with_its_requests(patch: Patch) -> None:
    """Take every traffic epoch for acknowledged, and keep nobody warm."""
    patch.set(Sight, "is_acknowledged", property(lambda _self: True))

    def soak(sight: Sight, rollout: Rollout) -> Any:
        return written(sight, entered(rollout, RolloutPhase.CONTRACT, sight.now, "promoted", step=rollout.step))

    patch.set(machine, "_soak", soak)
