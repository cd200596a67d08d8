"""Mutants of what is believed: absence, silence, and old or partial news are taken for death."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hfs_appliance.mcp import classify, decide, moments
from hfs_appliance.mcp.facts import Circumstances, circumstances
from hfs_appliance.mcp.phases import RULES, Rule
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.world import World
from hfs_appliance.runtime import observe_registry
from sim.mutants.base import Patch, among, mutant
from sim.scenarios import load


def change_rules(patch: Patch, change: Callable[[Rule], Rule | None]) -> None:
    """Change rows of the rule table, or (None) leave them out."""
    changed = [change(rule) for rule in RULES]
    patch.set(classify, "RULES", tuple(rule for rule in changed if rule is not None))
    patch.set(classify, "_BY_SIGNATURE", tuple(classify._rows(signature) for signature in range(64)))


@mutant(
    "stale-list-believed",
    breaks="a list of servers that is old or incomplete is acted upon like a fresh one",
    because="O4, O14: a cell that is down leaves its servers out of the list, and they run on",
    caught_by="fail-static",
    world=among("api-down", "server-dies", "scale-in"),
)
def stale_list_believed(patch: Patch) -> None:
    """Call every list fresh and whole."""

    def believing(world: World, desired: DesiredState) -> Circumstances:
        return replace(circumstances(world, desired), is_cloud_known=world.cloud is not None)

    patch.set(decide, "circumstances", believing)


@mutant(
    "silence-is-death",
    breaks="a server is replaced and deleted because its registration is gone, without a second witness",
    because="N3, Z1: Eureka's self-preservation is there because lost heartbeats were mostly the network's",
    caught_by="healthy-destroyed",
    world=among("servers-cut", "zone-cut"),
)
def silence_is_death(patch: Patch) -> None:
    """Let time alone condemn."""

    def change(rule: Rule) -> Rule | None:
        if rule.name == "unregistered-alive":
            return None
        if rule.name == "unrecovered":
            return replace(rule, matches=lambda f, r, c: c.now >= moments.recovery_ends(f, r, c), until=None)
        return rule

    change_rules(patch, change)


@mutant(
    "no-suspect-grace",
    breaks="somebody is put in the place of an instance the moment its registration is gone",
    because="Z1, P2: a restarted service or a renewed session is back within seconds",
    caught_by="surge",
    world=among("sessions-expire", "registrations-flap", "service-crashes"),
)
def no_suspect_grace(patch: Patch) -> None:
    """Wait for nobody once removals are believed."""

    def change(rule: Rule) -> Rule | None:
        if rule.name == "unregistered":
            return replace(rule, matches=lambda _f, _r, c: not c.are_removals_believed, until=None)
        return rule

    change_rules(patch, change)


@mutant(
    "no-recovery-grace",
    breaks="after a reconnect, who is not back in the registry at once counts as gone",
    because="Z20: all instances lose their sessions with ours, and reconnect in the seconds after us",
    caught_by="fail-static",
    world=among("registry-away", "registry-leader-lost", "sessions-expire-together"),
)
def no_recovery_grace(patch: Patch) -> None:
    """Believe removals from the first read on."""
    patch.set(observe_registry, "after", lambda instant, _span: instant)


@mutant(
    "nobody-is-replaced",
    breaks="a suspect counts as capacity for ever: nobody is put in its place",
    because="V5: a host that lost its power is ACTIVE in the cloud's books for hours",
    caught_by="repair",
    world=lambda _: load("rack-loss"),
)
def nobody_is_replaced(patch: Patch) -> None:
    """Let graces never end."""

    def endless(inner: Callable[..., Any]) -> Callable[..., Any]:
        return lambda f, r, c: inner(f, r, c) + (1 << 60)

    patch.around(moments, "grace_ends", endless)
    patch.around(moments, "recovery_ends", endless)
