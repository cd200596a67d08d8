"""The course of a fleet in which everything goes as it should: each action succeeds, each stage takes its usual time.

What is broken stays broken, what is unknown stays unknown: nothing dies, and nothing recovers that nobody acts upon. A
Course is as cheap to look at as the real thing: its Worlds share what has not changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final, TypeVar

from hfs_appliance.mcp.enact import adopted, announced, changed, made, recorded, registered, resumed
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.mcp.rollout.foretold import flawless, taken_back, written
from hfs_appliance.mcp.sizing import sized
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.forecast import Paces, Stage, Timed
from hfs_appliance.model.ids import NO_UUID, EnvironmentUuid, Nonce, ServerId, ServiceName
from hfs_appliance.model.instants import SECOND, Instant, after
from hfs_appliance.model.load import LoadView
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import CloudServer, CloudStatus, Observation, Registration, ServerRecord
from hfs_appliance.model.plan import Action, Adopt, Create, Delete, Drain, Forget, Plan
from hfs_appliance.model.plan import Claim as ClaimAction
from hfs_appliance.model.probes import Answer, Probe, Pulse
from hfs_appliance.model.world import World

K = TypeVar("K", bound=str)
V = TypeVar("V")

UNMEASURED: Final = SECOND
"""What a stage takes here of which nothing is known: no less than a step, and not worth a number."""
_NEW: Final = Anchor(uuid=EnvironmentUuid("f" * 32), project="", incarnation=Nonce("forecast"))
_NOBODY: Final = Answer(pulse=Pulse.DARK, words="forecast")
_NOWHERE: Final = Map[str, Registration]()


class Course:
    """One World after the other, from a real one onward; whoever sees it sees everything, which must be so at first."""

    def __init__(self, world: World, paces: Paces) -> None:
        assert world.registry is not None
        assert world.cloud is not None
        self.now = world.now
        self.unmeasured: set[Timed] = set()
        self._first = world
        self._paces = paces
        self._view = world.registry.value
        self._cloud: Map[ServerId, CloudServer] = _map(world.cloud.value.servers)
        self._desired, self._ledger, self._load = world.desired, world.ledger, world.load
        self.is_guessing = False
        """Whether anything has arrived at an instant that is only assumed."""
        self._arrivals: list[tuple[Instant, ServerId, Stage, bool]] = []
        self._ended: dict[ServerId, None] = {}
        """Where an instance was told to leave and has."""
        self._revision = world.cloud.revision
        for server, record in sorted(self._view.records.items()):
            self._expect(server, record)
        for _, action in sorted(world.in_flight.items()):
            self._carry_out(action)

    def world(self) -> World:
        """Show the fleet as it is now, just seen."""
        first = self._first
        assert first.cloud is not None
        passed = self.now - first.now
        cloud = replace(first.cloud.value, servers=self._cloud)
        return replace(  # whatever else a World has stays as it is
            first,
            now=self.now,
            desired=self._desired,
            cloud=Observation(value=cloud, observed_at=self.now, revision=self._revision),
            registry=Observation(value=self._view, observed_at=self.now, revision=self._revision),
            probes={
                **{server: replace(probe, at=Instant(probe.at + passed)) for server, probe in first.probes.items()},
                **{server: Probe(answer=_NOBODY, at=self.now, failures=1, darks=1) for server in self._ended},
            },
            load=self._load or self._flawless(),
            ledger=self._ledger,
            orders=first.orders.in_force(self.now),
            in_flight={},
            failures=(),
        )

    def carry_out(self, plan: Plan) -> None:
        """Do at once what a plan asks for."""
        self._ledger = ledger_after(self._ledger, plan)
        if plan.to_anchor:
            project = self._first.cloud.value.project if self._first.cloud is not None else ""
            self._view = replace(self._view, anchor=replace(_NEW, project=project))
        if plan.demands and self._load is not None:
            self._keep_sizes()
        for move in plan.moves:
            assert self._desired is not None
            self._view, self._desired = written(self._view, move), taken_back(self._desired, move)
        for action in plan.actions:
            self._carry_out(action)

    def next_arrival(self) -> Instant | None:
        """Tell when the next stage ends."""
        return self._arrivals[0][0] if self._arrivals else None

    def advance(self, to: Instant) -> None:
        """Let time pass, and stages end."""
        self.now = to
        self._revision += 1
        while self._arrivals and self._arrivals[0][0] <= to:
            _, server, stage, is_measured = heappop(self._arrivals)
            self.is_guessing = self.is_guessing or not is_measured
            self._arrive(server, stage)

    def record(self, server: ServerId) -> ServerRecord | None:
        """Give a server's record."""
        return self._view.records.get(server)

    def _keep_sizes(self) -> None:
        """Have services that scale themselves stay as large as their load now asks for: nobody knows the next one."""
        assert self._desired is not None
        wanted = sized(self._desired, self._ledger.sizes)
        services = {name: replace(service, autoscale=None) for name, service in wanted.services.items()}
        self._desired = replace(wanted, services=services)
        self._load = None

    def _flawless(self) -> Observation[LoadView] | None:
        assert self._desired is not None
        load = flawless(self._view.rollouts, self._desired, self.now)
        return Observation(value=load, observed_at=self.now, revision=self._revision) if load is not None else None

    def _expect(self, server: ServerId, record: ServerRecord) -> None:
        """Note the end of the stage in which a server was found."""
        found = self._cloud.get(server)
        if found is None:
            return
        if record.delete_at is not None:
            self._due(server, Stage.DELETE, record.pool, record.delete_at)
        elif record.drain_at is not None:
            self._due(server, Stage.DRAIN, record.service or "", record.drain_at)
        elif found.status is CloudStatus.BUILDING:
            self._boot(server, record)
        elif found.status is not CloudStatus.ACTIVE:
            return
        elif record.service is None and record.built_at is None and server not in self._view.pool:
            self._due(server, Stage.BUILD, record.pool, record.created_at)
        elif record.service is not None and record.ready_at is None and record.assigned_at is not None:
            self._due(server, Stage.START, record.service, record.assigned_at)

    def _due(self, server: ServerId, stage: Stage, scope: str, since: Instant) -> None:
        pace = self._paces.of(stage, scope)
        if pace is None:
            self.unmeasured.add((stage, scope))
        at = max(self.now, after(since, pace if pace is not None else UNMEASURED))
        heappush(self._arrivals, (at, server, stage, pace is not None))

    def _boot(self, server: ServerId, record: ServerRecord) -> None:
        """Have a server boot, then be built; when nobody knows how long the first takes, it is all of the second."""
        self._due(server, Stage.BUILD, record.pool, record.created_at)
        built = self._paces.of(Stage.BUILD, record.pool)
        booted = self._paces.of(Stage.BOOT, record.pool)
        pace = min(pace for pace in (built, booted, UNMEASURED if built is None else built) if pace is not None)
        at = max(self.now, after(record.created_at, pace))
        heappush(self._arrivals, (at, server, Stage.BOOT, built is not None or booted is not None))

    def _carry_out(self, action: Action) -> None:
        server, record = action.server, self.record(action.server)
        match action:
            case Create():
                self._create(action, record)
            case Adopt():
                self._adopt(action)
            case Forget():
                self._put(server, None)
                self._view = replace(self._view, departed=_map(self._view.departed).updated({server: None}))
            case _ if record is None:
                return
            case _:
                record = changed(record, action, self.now)
                self._put(server, record)
                self._begin(action, record)

    def _begin(self, action: Action, record: ServerRecord) -> None:
        """Note what an action begins."""
        server = action.server
        if isinstance(action, ClaimAction):
            self._due(server, Stage.START, action.service, self.now)
        elif isinstance(action, Drain):
            self._due(server, Stage.DRAIN, record.service or "", self.now)
        elif isinstance(action, Delete) and server in self._cloud:
            self._list(server, replace(self._cloud[server], status=CloudStatus.DELETING))
            self._due(server, Stage.DELETE, record.pool, self.now)

    def _create(self, action: Create, record: ServerRecord | None) -> None:
        if record is None:
            record = recorded(action, Nonce(f"forecast-{action.server}"), self.now)
            self._put(action.server, record)
        if action.server not in self._cloud:
            uuid = self._view.anchor.uuid if self._view.anchor is not None else NO_UUID
            self._list(action.server, replace(made(record, uuid, "", self.now), status=CloudStatus.BUILDING))
        self._boot(action.server, record)

    def _adopt(self, action: Adopt) -> None:
        found = self._cloud.get(action.server)
        if found is None:
            return
        record = adopted(found, action.reason.cause.value, self.now)
        entry = self._view.registered(found.server, found.nonce)
        if entry is not None:
            record = resumed(record, entry, self.now)
        self._put(action.server, record)
        self._expect(action.server, record)

    def _arrive(self, server: ServerId, stage: Stage) -> None:
        record, found = self.record(server), self._cloud.get(server)
        if record is None or found is None:
            return
        is_leaving = record.drain_at is not None or record.delete_at is not None or record.failed_at is not None
        if stage is Stage.DELETE:
            self._ended.pop(server, None)
            self._list(server, None)
            self._unregister(server, record)
        elif stage is Stage.DRAIN:
            self._unregister(server, record)
            self._ended[server] = None
        elif is_leaving:
            return
        elif stage is Stage.BOOT and found.status is CloudStatus.BUILDING:
            self._list(server, replace(found, status=CloudStatus.ACTIVE))
        elif stage is Stage.BUILD and record.service is None:
            pool = _map(self._view.pool).updated({server: announced(found)})
            self._view = replace(self._view, pool=pool, departed=_map(self._view.departed).updated({server: None}))
        elif stage is Stage.START and record.service is not None:
            self._register(record, found)

    def _register(self, record: ServerRecord, found: CloudServer) -> None:
        assert record.service is not None
        service = self._desired.services.get(record.service) if self._desired is not None else None
        entry = registered(record, found.address, service.port if service is not None else 0)
        self._enter(record.service, record.server, entry)
        view = self._view
        self._view = replace(
            view,
            pool=_map(view.pool).updated({record.server: None}),
            departed=_map(view.departed).updated({record.server: None}),
        )

    def _unregister(self, server: ServerId, record: ServerRecord) -> None:
        view = self._view
        self._view = replace(
            view,
            pool=_map(view.pool).updated({server: None}),
            departed=_map(view.departed).updated({server: self.now}),
        )
        if record.service is not None:
            self._enter(record.service, server, None)

    def _enter(self, service: ServiceName, server: ServerId, entry: Registration | None) -> None:
        entries = _map(self._view.registrations.get(service, _NOWHERE)).updated({server: entry})
        registrations = _map(self._view.registrations).updated({service: entries})
        self._view = replace(self._view, registrations=registrations)

    def _put(self, server: ServerId, record: ServerRecord | None) -> None:
        self._view = replace(self._view, records=_map(self._view.records).updated({server: record}))

    def _list(self, server: ServerId, found: CloudServer | None) -> None:
        self._cloud = self._cloud.updated({server: found})


def _map(entries: Mapping[K, V]) -> Map[K, V]:
    return entries if isinstance(entries, Map) else Map(entries)
