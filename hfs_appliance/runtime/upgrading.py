"""Upgrading: what an operator asks of rollouts, and of the history of the desired state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfs_appliance.config import differences
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.events import OperatorAsked
from hfs_appliance.model.ids import ServiceName, Version, is_version
from hfs_appliance.model.instants import format_instant
from hfs_appliance.model.plan import Plan
from hfs_appliance.model.reports import Applied, Change
from hfs_appliance.model.rollout import Order, Rollout, RolloutPhase, Strategy
from hfs_appliance.model.upgrades import GenerationReport, Ordered, RolloutReport
from hfs_appliance.ports.errors import Rejected, UnknownName
from hfs_appliance.ports.events import EventSink
from hfs_appliance.runtime.desired import effective
from hfs_appliance.runtime.nearest import nearest
from hfs_appliance.runtime.plane import ControlPlane


class Upgrading:
    """What the admin API asks about upgrades. Whoever calls demands the office first, where something changes."""

    def __init__(self, plane: ControlPlane, sink: EventSink) -> None:
        self._plane = plane
        self._sink = sink

    def rollouts(self) -> Sequence[RolloutReport]:
        """Tell of every service that has, or had, a rollout."""
        observed = self._plane.view.observation()
        rollouts = observed.value.rollouts if observed is not None else {}
        return [self._report(rollouts[name]) for name in sorted(rollouts) if rollouts[name].number]

    async def upgrade(self, service: ServiceName, version: Version, strategy: Strategy | None, author: str) -> Applied:
        """Have another version take over. Errors: UnknownName, Rejected, ConfigError, Conflict."""
        found = self._service(service)
        if not is_version(version):
            raise Rejected(f"{version[:80]!r} is no name of a version")
        running = _running(found.versions)
        if running.keys() == {version}:
            raise Rejected(f"{service} runs {version} already: nothing is changed")
        total = sum(running.values())
        if not total:
            raise Rejected(f"{service} has no instances: write into its file how many there should be")
        is_beside = (strategy or found.rollout.strategy) is Strategy.AB
        former = running if is_beside else dict.fromkeys(running, 0)
        words = f"hfs upgrade {service} {version}" + (f" --strategy {strategy}" if strategy is not None else "")
        wanted = {**former, version: total}
        return await self._plane.desired.change_versions(
            service, wanted, author, words, seen=found.versions, strategy=strategy
        )

    async def order(self, service: ServiceName, order: Order) -> Ordered:
        """Ask something of the rollout that runs. Errors: UnknownName, Rejected (none does), PortError."""
        self._service(service)
        rollout = await self._plane.rollouts.order(service, order)
        self._sink.emit("api", OperatorAsked(what=order.value, subject=service))
        return Ordered(service=service, number=rollout.number, order=order.value, phase=rollout.phase.value)

    async def roll_back(self, service: ServiceName, author: str) -> Ordered:
        """Go back to the former versions: at once while they are there, else by a rollout. Errors: as of `order`."""
        found, rollout = self._service(service), self._rollout(service)
        if rollout is None or not rollout.number:
            raise Rejected(f"{service} has had no rollout: there is no version to go back to")
        if rollout.phase is not RolloutPhase.DONE:
            return await self.order(service, Order.ABORT)
        if not rollout.before:
            raise Rejected(f"the last rollout of {service} was taken back: there is no version to go back to")
        running, total = _running(found.versions), sum(rollout.before.values())
        words = f"hfs rollback {service}: {' and '.join(sorted(rollout.before))} again"
        wanted = dict.fromkeys(running, 0) | dict(rollout.before)
        if len(rollout.before) == 1:
            wanted |= dict.fromkeys(rollout.before, sum(running.values()) or total)
        await self._plane.desired.change_versions(service, wanted, author, words, seen=found.versions)
        self._sink.emit("api", OperatorAsked(what="rollback", subject=service))
        return Ordered(service=service, number=rollout.number + 1, order="rollback", phase=rollout.phase.value)

    async def history(self) -> Sequence[GenerationReport]:
        """List the generations that are kept, the newest first. Errors: PortError."""
        stored = self._plane.desired.stored
        newest = stored.generation if stored is not None else 0
        return [
            GenerationReport(
                generation=each.generation,
                author=each.author,
                at=format_instant(each.at),
                file=each.file,
                words=each.words,
                is_in_force=each.generation == newest,
            )
            for each in await self._plane.desired.history.until(newest)
        ]

    async def difference(self, before: int, after: int) -> tuple[Change, ...]:
        """Tell what differs between two generations. Errors: PortError; Rejected when one is not kept."""
        return differences(await self.generation(before), await self.generation(after))

    async def generation(self, number: int) -> DesiredState:
        """Give what a generation asked for. Errors: PortError, Rejected, ConfigError."""
        stored = await self._plane.desired.history.find(number)
        if stored.is_closing:
            raise Rejected(f"generation {number} is the end of everything: it asks for nothing")
        return effective(stored)

    def _service(self, name: ServiceName) -> Service:
        desired = self._plane.desired.current
        services = desired.services if desired is not None else {}
        if name not in services:
            raise UnknownName("service", name, nearest(name, services))
        return services[name]

    def _rollout(self, service: ServiceName) -> Rollout | None:
        observed = self._plane.view.observation()
        return observed.value.rollouts.get(service) if observed is not None else None

    def _report(self, rollout: Rollout) -> RolloutReport:
        observed, plan = self._plane.view.observation(), self._plane.reconciler.plan or Plan()
        assert observed is not None
        name, view = rollout.service, observed.value
        traffic, waiting, counts = view.traffic.get(name), plan.waiting.get(name), plan.counts.get(name, {})
        epoch = traffic.epoch if traffic is not None else 0
        serving = {v: counts[v].serving if v in counts else 0 for v in (*rollout.before, *rollout.target)}
        return RolloutReport(
            service=name,
            number=rollout.number,
            strategy=rollout.strategy.value,
            phase=rollout.phase.value,
            step=rollout.step,
            steps=len(rollout.steps),
            old={version: serving[version] for version in sorted(rollout.before)},
            new={version: serving[version] for version in sorted(rollout.target)},
            wanted=sum(rollout.target.values()),
            weights={share.version: share.weight for share in traffic.shares} if traffic is not None else {},
            epoch=epoch,
            lagging=tuple(sorted(p.proxy for p in view.proxies.values() if p.epochs.get(name, 0) < epoch)),
            since=format_instant(rollout.since),
            words=rollout.words,
            waits_for=waiting.words if waiting is not None else "",
            until=format_instant(waiting.until) if waiting is not None and waiting.until is not None else None,
            is_held=waiting.is_held if waiting is not None else False,
            is_paused=rollout.paused_at is not None,
            is_reverting=rollout.is_reverting or rollout.phase is RolloutPhase.ABORT,
        )


def _running(versions: Mapping[Version, int]) -> dict[Version, int]:
    return {version: count for version, count in sorted(versions.items()) if count}
