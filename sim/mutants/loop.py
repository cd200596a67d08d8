"""Mutants of the loop: plans that are old or not remembered, looks without pause, success told too early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import trio

from hfs_appliance.mcp import decide
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.model.instants import MINUTE, Duration, after
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.plan import ConfirmReady, Plan
from hfs_appliance.model.world import World
from hfs_appliance.ports.errors import PortError
from hfs_appliance.runtime import reconcile
from hfs_appliance.runtime.observe_cloud import CloudObserver
from hfs_appliance.runtime.reconcile import Reconciler
from sim.mutants.base import Patch, among, mutant

LATE = Duration(8 * MINUTE)


@mutant(
    "old-world",
    breaks="a plan is made of the World of the look before, not of the present one",
    because="Z7, O5: what was done since then is done again",
    caught_by="surge",
    world=among("server-dies", "scale-out"),
)
def old_world(patch: Patch) -> None:
    """Be always one look behind with what is observed."""

    def make(inner: Callable[..., World]) -> Callable[..., World]:
        def world(self: Reconciler, desired: Any = None) -> World:
            present = inner(self, desired)
            # What was seen lies with the loop itself: a new process has seen nothing.
            former = vars(self).get("former", present)
            vars(self)["former"] = present
            return replace(present, registry=former.registry, cloud=former.cloud)

        return world

    patch.around(Reconciler, "world", make)


@mutant(
    "ledger-written-after",
    breaks="serials and tokens are written once the plan is being carried out, if they can be",
    because="X2: who dies in between has spent nothing and named nothing",
    caught_by="recorded-first",
)
def ledger_written_after(patch: Patch) -> None:
    """Act, then remember."""

    async def carry_out(self: Reconciler, term: Any, world: World, plan: Any, causes: Any) -> bool:
        sources = self._sources
        if plan.actions and sources.leadership.acting is term:
            assert world.desired is not None
            sources.executor.submit(plan.actions, world.desired, causes)
            await trio.sleep(1)
        try:
            await sources.ledger.keep(ledger_after(world.ledger, plan))
            if plan.to_anchor and world.cloud is not None:
                await sources.anchoring.found(world.cloud.value.project)
        except (PortError, trio.TooSlowError):
            return True
        return True

    patch.set(Reconciler, "_carry_out", carry_out)


@mutant(
    "tokens-not-written",
    breaks="the ledger is written without the tokens that the plan has spent",
    because="X2, X3: whoever is started next has a full budget",
    caught_by="paid-first",
    world=among("scale-in", "service-removed"),
)
def tokens_not_written(patch: Patch) -> None:
    """Keep the tokens that were there."""

    def make(inner: Callable[..., Ledger]) -> Callable[..., Ledger]:
        def after(before: Ledger, plan: Plan) -> Ledger:
            return replace(inner(before, plan), tokens=before.tokens)

        return after

    patch.around(reconcile, "ledger_after", make)


@mutant(
    "looks-without-pause",
    breaks="the cloud's list is read ten times as often as the configuration says",
    because="O9: the first thing that a provider does is to refuse such a client everything",
    caught_by="api-rate",
)
def looks_without_pause(patch: Patch) -> None:
    """Divide the pace by ten."""

    def make(inner: Callable[..., None]) -> Callable[..., None]:
        def init(self: CloudObserver, cloud: Any, poll: Duration, **rest: Any) -> None:
            inner(self, cloud, Duration(poll // 10), **rest)

        return init

    patch.around(CloudObserver, "__init__", make)


@mutant(
    "success-told-early",
    breaks="the environment is called converged when nothing is left to be planned, whatever is missing",
    because="an upgrade script goes on to the next step while half of the instances have yet to come up",
    caught_by="believes",
    world=among("server-dies", "builds-slow"),
)
def success_told_early(patch: Patch) -> None:
    """Look at the plan alone."""
    patch.set(decide, "_is_converged", lambda draft, _pools: not draft.actions)


@mutant(
    "books-kept-late",
    breaks="that an instance has come up is confirmed minutes after everything was called converged",
    because="L1: what is called done and goes on by itself is not done: who waits for it to be quiet is deceived",
    caught_by="stays",
    world=among("server-dies", "mcp-killed", servers=8),
)
def books_kept_late(patch: Patch) -> None:
    """Confirm nobody in the minutes after its role was given."""

    def make(inner: Callable[[Draft], None]) -> Callable[[Draft], None]:
        def keep_books(draft: Draft) -> None:
            inner(draft)
            assert draft.world.registry is not None
            records = draft.world.registry.value.records
            for action in [action for action in draft.actions if isinstance(action, ConfirmReady)]:
                due = after(records[action.server].assigned_at or draft.world.now, LATE)
                if draft.world.now < due:
                    draft.actions.remove(action)
                    draft.planned.discard(action.server)
                    draft.look_again(due)

        return keep_books

    patch.around(decide, "keep_books", make)
