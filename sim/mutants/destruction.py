"""Mutants of taking away: the budget, the order of leaving, the floor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from hfs_appliance.mcp import moments, needs, retire, slots
from hfs_appliance.mcp.budget import Budget
from hfs_appliance.mcp.draft import Departure, Draft
from hfs_appliance.mcp.tally import InstanceTally, Standing, Tally
from hfs_appliance.model.desired import Service
from hfs_appliance.model.ids import ServerId, Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, after
from hfs_appliance.model.ledger import Token
from hfs_appliance.model.plan import Cause, Delete, Reason
from hfs_appliance.runtime.ledger import LedgerStore
from sim.mutants.base import Patch, among, mutant
from sim.scenario import Bounds, Fault, Layout, Scenario


@mutant(
    "no-budget",
    breaks="as many servers are taken away at one time as there are reasons for",
    because="Amazon S3, 2017: one command with a wrong argument removed far more servers than was meant",
    caught_by="destroy-budget",
    world=among("service-removed", "scale-in", servers=24),
)
def no_budget(patch: Patch) -> None:
    """Grant everything."""

    def take(self: Budget, server: ServerId, scope: str, cause: Cause) -> bool:
        self.taken[server] = Token(at=self.now, scope=scope, cause=cause.value)
        return True

    patch.set(Budget, "take", take)


@mutant(
    "budget-of-one-cause",
    breaks="only what is taken for dead pays from the budget; scaling in and retiring is free",
    because="H1, H2: Joyent, 2014: a mistaken command to all servers was carried out on all servers",
    caught_by="destroy-budget",
    world=among("scale-in", "service-removed", servers=24),
)
def budget_of_one_cause(patch: Patch) -> None:
    """Charge nothing for what nobody wants."""

    def make(inner: Callable[..., bool]) -> Callable[..., bool]:
        def take(self: Budget, server: ServerId, scope: str, cause: Cause) -> bool:
            return cause is not Cause.REMEDIATION or inner(self, server, scope, cause)

        return take

    patch.around(Budget, "take", make)


@mutant(
    "budget-forgotten-at-restart",
    breaks="the tokens that were spent are not read when hfs starts again",
    because="X3: a control plane that crashes in a loop has a full budget each time",
    caught_by="destroy-budget",
    world=among("mcp-killed", "zone-dies", "service-removed"),
)
def budget_forgotten_at_restart(patch: Patch) -> None:
    """Load the ledger without its tokens."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        async def load(self: LedgerStore) -> None:
            await inner(self)
            self.ledger = replace(self.ledger, tokens={})

        return load

    patch.around(LedgerStore, "load", make)


@mutant(
    "unconfirmed-is-gone",
    breaks="a token comes back with time though the cloud has not confirmed the deletion",
    because="V4: a cloud that deletes nothing is asked for more and more deletions, and does them all at once later",
    caught_by="destroy-budget",
    world=among("deletes-stall", "zone-dies", "service-removed"),
)
def unconfirmed_is_gone(patch: Patch) -> None:
    """Count a token for its window only."""

    def make(inner: Callable[..., bool]) -> Callable[..., bool]:
        def counts(self: Budget, server: ServerId, token: Token, scope: str) -> bool:
            return inner(replace(self, is_leaving=lambda _: False), server, token, scope)

        return counts

    patch.around(Budget, "_counts", make)


@mutant(
    "drain-skipped",
    breaks="what is too many is deleted while it serves, not told to leave first",
    because="open requests are cut off, and the proxy goes on sending more until it notices",
    caught_by="leaves-in-order",
    world=among("scale-in", "service-removed"),
)
def drain_skipped(patch: Patch) -> None:
    """Delete where a drain is due."""

    def drain(standing: Standing, reason: Reason) -> Departure:
        return Departure(standing, Delete(server=standing.facts.server, reason=reason))

    patch.set(retire, "_drain", drain)


@mutant(
    "drain-cut-short",
    breaks="what was told to leave is deleted before the time that it was given is over",
    because="a download of ten minutes ends in the middle at each upgrade",
    caught_by="leaves-in-order",
    world=among("scale-in", "service-removed"),
)
def drain_cut_short(patch: Patch) -> None:
    """Let a drain be over when it begins."""
    patch.set(moments, "drain_ends", moments.drained)


@mutant(
    "one-too-many-leaves",
    breaks="a service that is made smaller loses one instance more than it should",
    because="H1: what is counted before and after a change is off by one, and the last instance goes with it",
    caught_by="floor",
    world=among("scale-in", "scale-out"),
)
def one_too_many_leaves(patch: Patch) -> None:
    """Let one of those go that are to stay."""

    def make(inner: Callable[..., Iterable[Standing]]) -> Callable[..., Iterable[Standing]]:
        def leaving(service: Service | None, version: Version, have: InstanceTally, tally: Tally) -> Iterable[Standing]:
            chosen = list(inner(service, version, have, tally))
            staying = [one for one in have.serving.values() if one not in chosen]
            return [*chosen, *sorted(staying, key=slots.by_slot)[: bool(chosen)]]

        return leaving

    patch.around(needs, "_leaving", make)


@mutant(
    "max-deleting-ignored",
    breaks="more deletions go on at the same time than the configuration allows",
    because="O9: a cloud that is asked for everything at once refuses everything",
    caught_by="limits",
    world=among("service-removed", servers=12, at_once=1),
)
def max_deleting_ignored(patch: Patch) -> None:
    """Give every plan room for any number of deletions."""

    def make(inner: Callable[..., None]) -> Callable[..., None]:
        def post_init(self: Draft) -> None:
            inner(self)
            self.deletions_left = 1 << 30

        return post_init

    patch.around(Draft, "__post_init__", make)


def _hanging(seed: int) -> Scenario:
    """A service of which a part hangs for long: too few for a storm, more than may go at one time."""
    hangs = Fault(kind="service-hangs", at=Duration(MINUTE), lasts=Duration(40 * MINUTE), target=seed, amount=14)
    return Scenario(
        name="hanging",
        words="fourteen of sixty instances hang",
        lasts=Duration(45 * MINUTE),
        layout=Layout(servers=60, per_service=60, pool=14),
        bounds=Bounds(settle=Duration(3 * HOUR)),
        faults=(hangs,),
    )


@mutant(
    "budget-without-window",
    breaks="what was spent of the budget comes back a second later, whatever the cloud has confirmed",
    because="S10: a wrong check calls the whole fleet bad, one server a second, and a rate is no limit",
    caught_by="blast-radius",
    world=_hanging,
)
def budget_without_window(patch: Patch) -> None:
    """Remember no token for longer than a second."""

    def make(inner: Callable[..., bool]) -> Callable[..., bool]:
        def counts(self: Budget, server: ServerId, token: Token, scope: str) -> bool:
            return self.now < after(token.at, SECOND) and inner(self, server, token, scope)

        return counts

    patch.around(Budget, "_counts", make)
