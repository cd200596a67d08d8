"""The reconcile loop: build the World, decide, remember, act; again when something changed or an instant has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import trio

from hfs_appliance.mcp.decide import Decider
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.events import DemandChanged, HoldChanged, PhaseChanged, SetbackNoted
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import Duration, Instant, seconds, to_seconds
from hfs_appliance.model.leadership import Term
from hfs_appliance.model.maps import differing
from hfs_appliance.model.plan import Hold, Plan, Verdict
from hfs_appliance.model.world import World
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import PortError, Transient
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.mischief import PEACE, Mischief, Site
from hfs_appliance.runtime.anchoring import Anchoring
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.execute import Executor
from hfs_appliance.runtime.leadership import Leadership
from hfs_appliance.runtime.ledger import LedgerStore
from hfs_appliance.runtime.looks import Looks
from hfs_appliance.runtime.observe_cloud import CloudObserver
from hfs_appliance.runtime.observe_load import LoadObserver
from hfs_appliance.runtime.observe_probes import ProbeObserver
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.orders import OrdersStore
from hfs_appliance.runtime.rollouts import RolloutStore
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the World comes from."""

    clock: Clock
    desired: DesiredStore
    registry: RegistryObserver
    cloud: CloudObserver
    probes: ProbeObserver[ServerId]
    load: LoadObserver
    ledger: LedgerStore
    rollouts: RolloutStore
    orders: OrdersStore
    executor: Executor
    anchoring: Anchoring
    leadership: Leadership


def unrecorded(world: World, plan: Plan) -> None:
    """Keep nothing of a decision."""


class Reconciler:
    """One loop; `plan` is its latest answer."""

    def __init__(
        self,
        sources: Sources,
        *,
        sink: EventSink,
        dirty: Dirty,
        observe_plan: Callable[[Plan], None],
        record: Callable[[World, Plan], None] = unrecorded,
        tunables: Tunables = PRODUCTION,
        mischief: Mischief = PEACE,
    ) -> None:
        self._sources = sources
        self._tunables = tunables
        self._mischief = mischief
        self._sink = sink
        self._dirty = dirty
        self._observe_plan = observe_plan
        self._record = record
        self._is_closing = False
        self._closed = trio.Event()
        self._seen: dict[ServerId, Instant] = {}
        self._decider = Decider()
        self._totals: dict[ServiceName, int] = {}
        """What services that scale themselves were last told to have."""
        self.plan: Plan | None = None

    @property
    def is_closing(self) -> bool:
        """Whether everything is being retired."""
        return self._is_closing or self._sources.desired.is_closing

    @property
    def is_closed(self) -> bool:
        """Whether, after `close`, no server is left."""
        return self._closed.is_set()

    def close(self) -> None:
        """Retire everything from now on."""
        self._is_closing = True
        self._dirty.mark()

    def since(self, server: ServerId) -> Instant:
        """Tell since when the present rule holds for a server, as far as is known."""
        return self._seen.get(server, Instant(0))

    async def wait_closed(self) -> None:
        """Wait until, after `close`, no server is left."""
        await self._closed.wait()

    def world(self, desired: DesiredState | None = None) -> World:
        """Build the World as it is now, with another desired state if one is given."""
        sources = self._sources
        cloud = sources.cloud.observation()
        if cloud is not None and cloud.observed_at < sources.leadership.acts_upon:
            cloud = None  # from before our term: what the former leader did since then is not in it
        return World(
            now=sources.clock.now(),
            desired=desired if desired is not None else sources.desired.current,
            cloud=cloud,
            registry=sources.registry.observation(),
            probes=sources.probes.probes,
            load=sources.load.observation(),
            ledger=sources.ledger.ledger,
            orders=sources.orders.in_force(),
            in_flight=sources.executor.in_flight,
            answered=sources.executor.answered,
            is_registry_behind=sources.ledger.is_behind,
            is_closing=self.is_closing,
        )

    async def run(self) -> None:
        """Reconcile until cancelled."""
        self._decider = Decider()  # what made this part fail is not carried over
        while self._sources.registry.observation() is None:
            await self._dirty.wait()
        looks = Looks(self._tunables)
        while True:
            began_at = trio.current_time()
            requeue = await self._reconcile()
            phases = self.plan.phases if self.plan is not None else {}
            next_at = began_at + to_seconds(looks.apart(seconds(began_at), phases))
            with trio.move_on_after(to_seconds(requeue)):
                await self._dirty.wait()
            if trio.current_time() < next_at:
                await trio.sleep_until(next_at)
                self._dirty.clear()

    async def _reconcile(self) -> Duration:
        sources = self._sources
        if self._mischief.strikes(Site.PART_FAILS):
            raise RuntimeError("mischief")
        with suppress(PortError, trio.TooSlowError):  # the view grows stale then, and the next cycle looks again
            await sources.ledger.look()
        term = sources.leadership.acting
        world = replace(self.world(), failures=sources.executor.take_failures())
        plan = self._decider.decide(world)
        self._record(world, plan)
        causes = self._tell(world, plan)
        if term is not None and not await self._carry_out(term, world, plan, causes):
            return seconds(1)
        if self.is_closing and plan.is_converged and not plan.verdicts:
            self._closed.set()
        if plan.requeue_at is None:
            return self._tunables.longest_wait
        return Duration(max(0, min(self._tunables.longest_wait, plan.requeue_at - sources.clock.now())))

    async def _carry_out(self, term: Term, world: World, plan: Plan, causes: Mapping[ServerId, int]) -> bool:
        """Remember what the plan rests on, then have it carried out; tell whether it could be remembered."""
        sources = self._sources
        try:
            if self._mischief.strikes(Site.LEDGER_REFUSED):
                raise Transient("mischief")
            await sources.ledger.keep(ledger_after(world.ledger, plan))
            if plan.to_anchor and world.cloud is not None:
                await sources.anchoring.found(world.cloud.value.project)
            if plan.moves and world.registry is not None:
                await sources.rollouts.carry_out(plan.moves, world.registry.value)
        except (PortError, trio.TooSlowError):
            # What is not remembered must not be done. The session's own event says why; the next cycle tries again.
            return False
        # The plan of a term that is over meanwhile is nobody's any more.
        if plan.actions and sources.leadership.acting is term:
            assert world.desired is not None
            is_halved = self._mischief.strikes(Site.PLAN_HALVED)
            actions = plan.actions[: len(plan.actions) // 2] if is_halved else plan.actions
            sources.executor.submit(actions, world.desired, causes)
        return True

    def _tell(self, world: World, plan: Plan) -> Mapping[ServerId, int]:
        """Put what changed since the last plan on the event stream; give the event that concerns each server."""
        before = self.plan
        self.plan = plan
        known = before.verdicts if before is not None else Plan().verdicts
        causes: dict[ServerId, int] = {}
        for server in sorted(differing(known, plan.verdicts)):
            old, verdict = known.get(server), plan.verdicts.get(server)
            if verdict is None:
                del self._seen[server]
                continue
            is_other = old is None or (old.phase, old.rule) != (verdict.phase, verdict.rule)
            if is_other:
                # What this process saw change began then; what it found already there, when policy says it did.
                self._seen[server] = world.now if before is not None else verdict.since
            if old is None or is_other or old.words != verdict.words:  # what the cloud says is wrong is news
                event = self._phase_changed(world, verdict, before=old.phase.value if old is not None else "")
                causes[server] = self._sink.emit("reconcile", event)
        self._tell_holds(before.holds if before is not None else (), plan.holds)
        self._tell_setbacks(before, plan)
        self._tell_demands(world, plan)
        self._sources.probes.want(plan.to_probe)
        self._sources.load.want(plan.to_measure)
        self._observe_plan(plan)
        return causes

    @staticmethod
    def _phase_changed(world: World, verdict: Verdict, *, before: str) -> PhaseChanged:
        view, server = world.registry, verdict.server
        record = view.value.records.get(server) if view is not None else None
        found = world.cloud.value.servers.get(server) if world.cloud is not None else None
        return PhaseChanged(
            server=server,
            phase=verdict.phase.value,
            before=before,
            rule=verdict.rule,
            words=verdict.words,
            service=record.service if record is not None else None,
            version=record.version if record is not None else None,
            address=found.address if found is not None else None,
        )

    def _tell_holds(self, before: tuple[Hold, ...], after: tuple[Hold, ...]) -> None:
        old = {(hold.scope, hold.rule) for hold in before}
        new = {(hold.scope, hold.rule): hold for hold in after}
        for key, hold in new.items():
            if key not in old:
                self._sink.emit("reconcile", HoldChanged(scope=hold.scope, rule=hold.rule, words=hold.words))
        for scope, rule in sorted(old - new.keys()):
            self._sink.emit("reconcile", HoldChanged(scope=scope, rule=rule, words=""))

    def _tell_demands(self, world: World, plan: Plan) -> None:
        for name, demand in (plan.demands or {}).items():
            size = world.ledger.sizes.get(name)
            before = self._totals.setdefault(name, size.total if size is not None else demand.size.base)
            if before != demand.size.total:
                self._totals[name] = demand.size.total
                event = DemandChanged(service=name, before=before, after=demand.size.total, words=demand.words)
                self._sink.emit("reconcile", event)

    def _tell_setbacks(self, before: Plan | None, plan: Plan) -> None:
        for (pool, az), setback in plan.launch_setbacks.items():
            if before is None or before.launch_setbacks.get((pool, az)) != setback:
                scope = f"pool/{pool}/{az}"
                event = SetbackNoted(scope=scope, failures=setback.failures, words=setback.words, pool=pool)
                self._sink.emit("reconcile", event)
        quota = plan.quota_setback
        if quota is not None and (before is None or before.quota_setback != quota):
            self._sink.emit("reconcile", SetbackNoted(scope="quota", failures=quota.failures, words=quota.words))
        for (service, version), setback in plan.version_setbacks.items():
            if before is None or before.version_setbacks.get((service, version)) != setback:
                scope = f"service/{service}/{version}"
                self._sink.emit("reconcile", SetbackNoted(scope=scope, failures=setback.failures, words=setback.words))
