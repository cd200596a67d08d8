"""All traffic of the world in motion: rates that are constant between two looks, kept up on the heap.

A service is looked at when its curve has moved, when its routes change, and when a routed instance changes; nothing
else costs anything. Volumes are rate times time, so that nothing is lost between looks. What overload does to the
instances goes back into the world from here: probes that are not answered in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.proxy.table import RouteTable
from sim.clock import WorldClock
from sim.scenario import Traffic
from sim.servers import SimServer
from sim.servicefaults import ServiceFaults
from sim.streams import Stream
from sim.traffic import curves
from sim.traffic.curves import CLOSEST, MILLI, Curve
from sim.traffic.flow import Account, Flow
from sim.traffic.load import Load, coming_back, needed, spread
from sim.traffic.members import Tried, patience_ends, too_busy, tried
from sim.truth import ConditionChanged, DemandChanged, Fact, ProxyStarted, ProxyStopped, RoutesServed, Truth


class Surge:
    """A factor (per mille) on what is asked of one service, or of all."""

    def __init__(self, service: ServiceName | None, curve: Curve) -> None:
        self.service = service
        self.curve = curve


class Flows:
    """The traffic of all services; without a scenario's traffic there is none, and it costs nothing."""

    def __init__(
        self,
        clock: WorldClock,
        stream: Stream,
        truth: Truth,
        faults: ServiceFaults,
        find: Callable[[ServerId], SimServer | None],
    ) -> None:
        self.traffic = Traffic()
        self.retries = 0
        """L-9: so often a client comes back with a request that failed."""
        self.flows: Final[dict[ServiceName, Flow]] = {}
        """In the order in which their services came."""
        self._clock: Final = clock
        self._stream: Final = stream
        self._truth: Final = truth
        self._faults: Final = faults
        self._find: Final = find
        self._begun = clock.now()
        self._is_proxy_up = True
        self._waits = Duration(0)
        """How long the proxy waits for an answer."""
        self._routed: dict[str, Flow] = {}
        self._surges: list[Surge] = []

    def begin(self, traffic: Traffic, table: RouteTable | None) -> None:
        """Let traffic flow from now on, to the routes of this table and of those that follow."""
        if not traffic.is_any:
            return
        self.traffic, self.retries, self._begun = traffic, traffic.retries, self._clock.now()
        self._truth.listen(self._see, (RoutesServed, ConditionChanged, ProxyStarted, ProxyStopped))
        if table is not None:
            self._route(table)

    def finish(self) -> None:
        """Tell all that has not been told."""
        now = self._clock.now()
        for flow in self.flows.values():
            flow.count(now)
            self._truth.tell(flow.summary())

    def counted(self) -> dict[ServiceName, Mapping[Version, Account]]:
        """Give what a proxy has counted so far, from the first call on."""
        now = self._clock.now()
        return {name: flow.counted(now) for name, flow in self.flows.items()}

    def utilisation(self, server: SimServer) -> int | None:
        """Give how busy a server is, per mille of what it can do (more when it is overrun); None: it does not serve."""
        flow = self._routed.get(server.machine.spec.server)
        if flow is None:
            return 0 if server.is_serving else None
        for share, each in zip(flow.load.shares, flow.tried or (), strict=False):
            if server in each.servers:
                return share.utilisation
        return 0 if server.is_serving else None

    # What is done to it

    def nth(self, number: int) -> Flow | None:
        """Give the traffic of one service, by index modulo how many there are."""
        flows = tuple(self.flows.values())
        return flows[number % len(flows)] if flows else None

    def add(self, surge: Surge) -> None:
        """Multiply what is asked."""
        self._surges.append(surge)
        self._touch_those(surge)

    def change(self, surge: Surge, curve: Curve) -> None:
        """Go on with another factor."""
        surge.curve = curve
        self._touch_those(surge)

    def remove(self, surge: Surge) -> None:
        """Multiply no more."""
        self._surges.remove(surge)
        self._touch_those(surge)

    def subside(self, surge: Surge) -> None:
        """Let a surge fade, and end."""
        now = self._clock.now()
        self.change(surge, curves.fading(now, surge.curve.value(now)))
        self._clock.after(curves.RAMP, lambda: self.remove(surge))

    def stick(self, flow: Flow, instance: str, share: int) -> Callable[[], None]:
        """L-7: let a share (per mille) of a service's requests stick to one instance; give the end of it."""
        stuck = (instance, share)
        flow.hot.append(stuck)
        self._regroup(flow)

        def end() -> None:
            flow.hot.remove(stuck)
            self._regroup(flow)

        return end

    def stand_still(self) -> None:
        """Let what is asked stay as it is from now on, surges and all: whoever follows it can come to rest."""
        since = self._clock.now() - self._begun
        for flow in self.flows.values():
            flow.curve = curves.flat(flow.curve.value(since))
            self._touch(flow)

    def look_again(self, server: ServerId | None = None) -> None:
        """Notice that a server, or any, answers otherwise than before."""
        for flow in tuple(self.flows.values()):
            if server is None or self._routed.get(server) is flow:
                self._regroup(flow)

    # What it hears

    def _see(self, now: Instant, fact: Fact) -> None:
        del now
        match fact:
            case ConditionChanged(server=server):
                flow = self._routed.get(server)
                if flow is not None:
                    self._regroup(flow)
            case RoutesServed(table=table):
                self._route(table)
            case _:
                self._is_proxy_up = isinstance(fact, ProxyStarted)
                for flow in self.flows.values():
                    self._touch(flow)

    def _route(self, table: RouteTable) -> None:
        self._waits = table.response_timeout
        for name in [name for name in self.flows if name not in table.routes]:
            self._end(self.flows.pop(name))
        for name, route in sorted(table.routes.items()):  # a table has no order, and each service gets the next curve
            flow = self.flows.get(name)
            if flow is None:
                curve = curves.of_service(self.traffic, len(self.flows))
                flow = self.flows[name] = Flow(service=name, curve=curve, until=self._clock.now())
            elif flow.route is route or flow.route == route:
                continue
            self._forget(flow)
            flow.route = route
            flow.weights = {group.version: group.weight for group in route.groups}
            for member in route.reachable:
                self._routed[member.instance] = flow
            self._regroup(flow)

    def _forget(self, flow: Flow) -> None:
        for member in flow.route.reachable if flow.route is not None else ():
            self._routed.pop(member.instance, None)

    def _end(self, flow: Flow) -> None:
        flow.count(self._clock.now())
        self._truth.tell(flow.summary())
        self._forget(flow)
        for server in flow.strained:
            server.relieve(self._stream)
        if flow.timer is not None:
            flow.timer.cancel()
        flow.is_touched = True  # nobody looks at it any more

    # Looks

    def _touch_those(self, surge: Surge) -> None:
        for flow in self.flows.values():
            if surge.service in {None, flow.service}:
                self._touch(flow)

    def _regroup(self, flow: Flow) -> None:
        flow.tried = None
        self._touch(flow)

    def _touch(self, flow: Flow) -> None:
        """Look at a service once everything that happens at this instant has happened."""
        if not flow.is_touched:
            flow.is_touched = True
            self._clock.after(0, lambda: self._look(flow))

    def _look(self, flow: Flow) -> None:
        if self.flows.get(flow.service) is not flow:
            return
        now = self._clock.now()
        flow.is_touched = False
        flow.count(now)
        if flow.tried is None:
            flow.tried = self._tried(flow, now)
        before = flow.load
        usual, looks = self._asked(flow, now)
        offered = coming_back(usual, before, self.retries)
        groups = [each.group for each in flow.tried] if self._is_proxy_up else []
        news = flow.turn(spread(self.traffic, offered, groups, flow.weights))
        if news is not None:
            self._truth.tell(news)
        self._strain(flow)
        demand = needed(self.traffic, usual)
        if demand != flow.demand:
            flow.demand = demand
            self._truth.tell(DemandChanged(service=flow.service, instances=demand))
        self._look_later(flow, looks, before)

    def _tried(self, flow: Flow, now: Instant) -> tuple[Tried, ...]:
        """Look up the members; those that stand by are tried when there is nobody else."""
        assert flow.route is not None
        for members in (flow.route.members, flow.route.standby):
            servers = ((member.version, self._find(ServerId(member.instance))) for member in members)
            found = tried(servers, self._faults, dict(flow.hot), now=now, waits=self._waits)
            if found:
                return found
        return ()

    def _asked(self, flow: Flow, now: Instant) -> tuple[int, list[int]]:
        """Give what is asked now, and the instants at which that is to be read again."""
        since = now - self._begun
        rate, look = flow.curve.value(since), flow.curve.next_look(since)
        looks = [look + self._begun] if look is not None else []
        for surge in self._surges:
            if surge.service in {None, flow.service}:
                rate = rate * surge.curve.value(now) // MILLI
                look = surge.curve.next_look(now)
                if look is not None:
                    looks.append(look)
        return rate, looks

    def _look_later(self, flow: Flow, looks: list[int], before: Load) -> None:
        now, load = self._clock.now(), flow.load
        if self.retries and abs(load.offered - before.offered) * 100 > load.offered:
            looks.append(now + CLOSEST)  # what fails comes back, and more fails
        hanging = [each for each in flow.tried or () if each.group.hangs]
        ends = [patience_ends(server, self._waits) for each in hanging for server in each.servers]
        looks += ends
        if flow.timer is not None:
            flow.timer.cancel()
        flow.timer = self._clock.at(min(looks), lambda: self._wake(flow, is_regrouped=bool(ends))) if looks else None

    def _wake(self, flow: Flow, *, is_regrouped: bool) -> None:
        if is_regrouped:
            flow.tried = None
        if not flow.is_touched:
            self._look(flow)

    def _strain(self, flow: Flow) -> None:
        """Tell those that cannot answer their agents in time, and those that can again."""
        strained: list[SimServer] = []
        for share, each in zip(flow.load.shares, flow.tried or (), strict=False):
            if not share.group.hangs and too_busy(each.servers[0], share.latency):
                strained.extend(each.servers)
        if not strained and not flow.strained:
            return
        former, flow.strained = flow.strained, strained
        still = set(strained)
        for server in former:
            if server not in still:
                server.relieve(self._stream)
        for server in strained:
            server.overwhelm(self._stream)
