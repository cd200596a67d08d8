"""The proxy publisher: registrations become routes. The first change goes out at once, a storm gives one reload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import trio

from hfs_appliance.model.desired import DesiredState, ServiceRole
from hfs_appliance.model.events import HoldChanged, ProxyRestarted, RoutesPublished, RoutesRefused
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import (
    MILLISECOND,
    MINUTE,
    Duration,
    Instant,
    after,
    format_duration,
    seconds,
    to_seconds,
)
from hfs_appliance.model.maps import differing
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.traffic import ProxyState, Traffic
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.web import Proxy
from hfs_appliance.proxy.router import Router
from hfs_appliance.proxy.table import RouteTable
from hfs_appliance.runtime.acknowledge import Acknowledgement
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.sized import SizedDesired

RETRY_AFTER: Final = seconds(1)
PUBLISH_WITHIN: Final = MINUTE
"""A proxy that hangs is told of and asked again. Longer than its own steps may take together."""


class ProxyPublisher:
    """Keeps the proxy of this host in step with the registry; `served` is the table in force."""

    def __init__(
        self,
        proxy: Proxy,
        desired: SizedDesired,
        registry: RegistryObserver,
        last_good: RouteTable | None,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Dirty,
        published: Dirty,
        acknowledgement: Acknowledgement,
    ) -> None:
        self._proxy = proxy
        self._acknowledgement = acknowledgement
        """Told the traffic epochs of each table that the proxy serves, and whether it serves what it should."""
        self._epochs: Mapping[ServiceName, int] = {}
        self._desired = desired
        self._registry = registry
        self._clock = clock
        self._sink = sink
        self._dirty = dirty
        self._published = published
        self._refused = ""
        self._down = ""
        """Why the proxy's process cannot be started."""
        self._withheld: dict[ServiceName, str] = {}
        self._router = Router()
        self._is_closing = False
        self._digest = last_good.digest() if last_good is not None else ""
        """Of the table in force, made once: every change of the registry is compared with it."""
        self.served = last_good
        self.is_in_step = False

    def routed(self) -> Mapping[ServiceName, int]:
        """Give the number of members that the proxy serves, by service."""
        return {name: len(route.members) for name, route in self.served.routes.items()} if self.served else {}

    def holds(self) -> tuple[Hold, ...]:
        """Tell what the endpoint does not serve though it should, and why."""
        refused = Hold(scope="endpoint", rule="routes-refused", words=self._refused)
        withheld = [
            Hold(scope=f"service/{service}", rule="route-withheld", words=words)
            for service, words in sorted(self._withheld.items())
        ]
        return (refused, *withheld) if self._refused else tuple(withheld)

    def close(self) -> None:
        """Leave the routes as they are from now on: what they lead to is being ended."""
        self._is_closing = True

    async def run(self) -> None:
        """Publish until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_alive)
            nursery.start_soon(self._publish_changes)

    async def _keep_alive(self) -> None:
        while True:
            try:
                was_started = await self._proxy.ensure_running()
            except PortError as error:
                self._down = error.words
                self._refuse(error.words)
                await trio.sleep(to_seconds(RETRY_AFTER))
                continue
            if self._down:
                # What it served last it serves again; whether it takes a new table is not known yet.
                self._refused = "" if self._refused == self._down else self._refused
                self._down = ""
                self._describe_state()
            if was_started:
                self._sink.emit("proxy", ProxyRestarted(words="with its last good configuration"))
            await self._proxy.wait_dead()

    async def _publish_changes(self) -> None:
        published_at = Instant(0)
        looked_at: tuple[object, ...] = (None, None, None, None, None)
        self._router = Router()  # what made this part fail is not carried over
        while True:
            desired, view = self._desired.current, self._registry.observation()
            if desired is not None and view is not None and not (self._is_closing or self._desired.is_closing):
                believed = self._registry.are_removals_believed()
                # The table follows from these alone, and settles: the same objects give the one in force.
                inputs = (desired, view.value.registrations, view.value.traffic, view.value.records, believed)
                if self.is_in_step and all(new is old for new, old in zip(inputs, looked_at, strict=True)):
                    await self._wait()
                    continue
                looked_at = inputs
                routing = self._router.next_table(
                    self.served,
                    desired,
                    view.value.registrations,
                    view.value.traffic,
                    view.value.records,
                    removals_believed=believed,
                )
                self._tell_withheld({note.service: note.words for note in routing.withheld})
                digest = routing.table.digest()
                is_new = digest != self._digest
                wait = after(published_at, desired.endpoint.reload_interval) - self._clock.now()
                epochs = _epochs(desired, routing.table, view.value.traffic)
                # A new epoch goes out at once: there are few of them, and a rollback must not wait.
                if is_new and wait > 0 and epochs == self._epochs:
                    self.is_in_step = False
                    await trio.sleep(to_seconds(Duration(wait)))
                    continue
                if is_new:
                    published_at = self._clock.now()
                    self.is_in_step = await self._publish(routing.table, digest)
                else:
                    # Nothing is served otherwise, but it may be served for another epoch. What was refused in between
                    # nobody wants any more: a proxy with the right routes is not behind.
                    self.served, self.is_in_step = routing.table, True
                    self._refused = self._down
                if self.is_in_step:
                    self._epochs = epochs
                    self._acknowledgement.serve(epochs)
                    self._describe_state()
                self._published.mark()
            await self._wait()

    async def _wait(self) -> None:
        """Wait for a mark; the end of a recovery grace, and a refused table's next try, come without one."""
        if self.is_in_step and self._registry.are_removals_believed():
            await self._dirty.wait()
            return
        with trio.move_on_after(to_seconds(RETRY_AFTER)):
            await self._dirty.wait()

    async def _publish(self, table: RouteTable, digest: str) -> bool:
        begun = self._clock.now()
        try:
            with trio.fail_after(to_seconds(PUBLISH_WITHIN)):
                await self._proxy.publish(table)
        except trio.TooSlowError:
            self._refuse(f"the proxy has not taken the routes within {format_duration(PUBLISH_WITHIN)}")
            return False
        except PortError as error:
            self._refuse(error.words)
            return False
        self._refused = ""
        before, self.served, self._digest = self.served, table, digest
        self._sink.emit(
            "proxy",
            RoutesPublished(
                digest=digest,
                services=len(table.routes),
                instances=sum(len(route.members) for route in table.routes.values()),
                words=_describe(before, table),
                elapsed_ms=(self._clock.now() - begun) // MILLISECOND,
            ),
        )
        return True

    def _tell_withheld(self, withheld: dict[ServiceName, str]) -> None:
        for service in sorted(withheld.keys() | self._withheld.keys()):
            words = withheld.get(service, "")
            if words != self._withheld.get(service, ""):
                event = HoldChanged(scope=f"service/{service}", rule="route-withheld", words=words)
                self._sink.emit("proxy", event)
        self._withheld = withheld

    def _refuse(self, words: str) -> None:
        if words != self._refused:
            self._refused = words
            self._sink.emit("proxy", RoutesRefused(words=words))
        self._describe_state()

    def _describe_state(self) -> None:
        if self._down:
            self._acknowledgement.describe(ProxyState.DOWN, self._down)
        elif self._refused:
            self._acknowledgement.describe(ProxyState.BEHIND, self._refused)
        else:
            self._acknowledgement.describe(ProxyState.SERVES, "")


def _epochs(
    desired: DesiredState, table: RouteTable, traffic: Mapping[ServiceName, Traffic]
) -> Mapping[ServiceName, int]:
    """Give the traffic epochs that a table follows; those of proxies, which nobody routes, are followed at once."""
    routed = {name: table.routes[name].epoch for name in sorted(traffic) if name in table.routes}
    proxies = {name for name, service in desired.services.items() if service.role is ServiceRole.PROXY}
    return routed | {name: traffic[name].epoch for name in sorted(proxies & traffic.keys())}


def _describe(before: RouteTable | None, table: RouteTable) -> str:
    """Name the services whose members changed: `dns 2→3, certificates +2`."""
    old = before.routes if before is not None else {}
    changed = sorted(differing(old, table.routes))
    parts = [
        f"{name} {len(old[name].members) if name in old else 0}→{len(route.members)}"
        for name in changed
        if (route := table.routes.get(name)) is not None and old.get(name) != route
    ]
    parts += [f"{name} gone" for name in changed if name not in table.routes]
    return ", ".join(parts)
