"""Composition root: configuration + backends -> supervision tree. The only file that knows everyone.

run
├─ admin API, live view            outlive a broken control side
├─ embedded registry               (local) its process is kept running
└─ control
   ├─ registry observer, cloud observer     what is
   ├─ reconciler, executor                  what to do, and doing it
   └─ proxy publisher, document publisher   what the endpoint serves
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import trio

from hfs_appliance import __version__
from hfs_appliance.adapters.clock import SystemClock, SystemEntropy
from hfs_appliance.adapters.http import HttpSpecSource
from hfs_appliance.adapters.local.cloud import LocalCloud
from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.adapters.process import own_command
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.model.desired import CloudProvider, DesiredState
from hfs_appliance.model.events import ApplianceStarted, ApplianceStopped
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.ports.cloud import Cloud
from hfs_appliance.ports.errors import Conflict, PortError
from hfs_appliance.ports.registry import Registry, SessionState
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime import execute
from hfs_appliance.runtime.control import ApplianceControl
from hfs_appliance.runtime.control import Parts as ControlParts
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.documents import DocumentPublisher
from hfs_appliance.runtime.embedded import EmbeddedRegistry, RegistryFailed
from hfs_appliance.runtime.ledger import LedgerStore
from hfs_appliance.runtime.observe_cloud import CloudObserver
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.publish import ProxyPublisher
from hfs_appliance.runtime.reconcile import Reconciler, Sources
from hfs_appliance.runtime.supervise import Part, restarting, together
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.journal import Journal
from hfs_appliance.telemetry.metrics import Metrics
from hfs_appliance.web.api import build
from hfs_appliance.web.control import Control
from hfs_appliance.web.listener import serve

CLOSE_WITHIN: Final = seconds(60)
"""Ending the environment gives up after this long and says what is left."""
OFFER_AGAIN_AFTER: Final = seconds(1)

View: TypeAlias = Callable[[Control], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What `hfs run` was asked to do."""

    file: Path
    source: str
    desired: DesiredState
    state: Path
    keep: bool
    """Leave servers, proxy and registry running at the end."""


class CannotStart(Exception):
    """`hfs run` cannot begin; the words say why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Appliance:
    """The parts, wired."""

    control: ApplianceControl
    reconciler: Reconciler
    desired: DesiredStore
    proxy: NginxProxy
    metrics: Metrics
    tree: Part


async def run(options: RunOptions, show: View) -> None:
    """Run the appliance until SIGINT, SIGTERM or `hfs down`. Errors: CannotStart."""
    options.state.mkdir(parents=True, exist_ok=True)
    with _only_one(options.state), trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        clock = SystemClock()
        journal = Journal(options.state / "journal")
        bus = EventBus(clock, last_seq=journal.last_seq)
        bus.subscribe("journal", journal)
        bus.emit("appliance", ApplianceStarted(version=__version__, environment=options.desired.environment))
        async with _registry(options, bus, clock) as (registry, hosts, keep_registry):
            appliance = _compose(options, registry, hosts, bus, clock)
            await _live(options, appliance, bus, keep_registry, signals, show)
        words = "servers, proxy and registry go on running" if options.keep else "nothing is left running"
        bus.emit("appliance", ApplianceStopped(words=words))
        journal.close()


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Hold the state directory's lock: two appliances must not share one."""
    with (state / "hfs.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CannotStart(f"another `hfs run` (pid {holder}) works in {state}; end it, or give --state") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@asynccontextmanager
async def _registry(
    options: RunOptions, bus: EventBus, clock: SystemClock
) -> AsyncIterator[tuple[Registry, tuple[str, ...], Part | None]]:
    """Open the session; with the embedded registry, start its process first and end it last."""
    settings = options.desired.registry
    embedded: EmbeddedRegistry | None = None
    if not settings.hosts:
        embedded = EmbeddedRegistry(options.state / "registry", settings.embedded_port, own_command(), bus)
        try:
            await embedded.ensure_running()
        except RegistryFailed as error:
            raise CannotStart(str(error)) from error
    hosts = settings.hosts or (embedded.hosts if embedded is not None else ())
    async with connect(hosts, session_timeout=settings.session_timeout, clock=clock) as registry:
        yield registry, hosts, embedded.keep_running if embedded is not None else None
    if embedded is not None and not options.keep:
        with trio.CancelScope(shield=True):
            await embedded.stop()


def _cloud(options: RunOptions, clock: SystemClock) -> Cloud:
    desired = options.desired
    if desired.cloud.provider is not CloudProvider.LOCAL:
        raise CannotStart(f"provider {desired.cloud.provider.value!r} is not available in this version")
    return LocalCloud(desired.environment, options.state, desired.cloud.local, clock, own_command())


def _compose(
    options: RunOptions, registry: Registry, hosts: tuple[str, ...], bus: EventBus, clock: SystemClock
) -> _Appliance:
    settings = options.desired
    layout = Layout(settings.environment)
    cloud = _cloud(options, clock)
    nginx = NginxProxy(options.state / "nginx")
    metrics = Metrics()
    bus.subscribe("metrics", metrics)
    # Who looks again when: one mark for each loop.
    to_plan, to_route, to_merge = Dirty(), Dirty(), Dirty()
    desired = DesiredStore(registry, layout, clock=clock, sink=bus, dirty=(to_plan, to_route, to_merge))
    view = RegistryObserver(
        registry,
        layout,
        settings.registry.session_timeout,
        clock=clock,
        sink=bus,
        dirty=(to_plan, to_route, to_merge),
    )
    view.on_desired(desired.hear)
    servers = CloudObserver(cloud, settings.cloud.poll, clock=clock, sink=bus, dirty=(to_plan,))
    ledger = LedgerStore(registry, layout)
    executor = execute.Executor(
        execute.Parts(
            registry=registry,
            cloud=cloud,
            layout=layout,
            clock=clock,
            entropy=SystemEntropy(),
            sink=bus,
            view=view,
            servers=servers,
        ),
        hosts,
        to_plan,
    )
    sources = Sources(clock=clock, desired=desired, registry=view, cloud=servers, ledger=ledger, executor=executor)
    reconciler = Reconciler(sources, sink=bus, dirty=to_plan, observe_plan=metrics.observe_plan)
    proxy = ProxyPublisher(nginx, desired, view, nginx.last_good(), clock=clock, sink=bus, dirty=to_route)
    documents = DocumentPublisher(nginx, HttpSpecSource(), desired, view, clock=clock, sink=bus, dirty=to_merge)
    control = ApplianceControl(
        ControlParts(
            registry=registry,
            cloud=cloud,
            desired=desired,
            reconciler=reconciler,
            proxy=proxy,
            documents=documents,
            bus=bus,
            clock=clock,
            endpoint=f"http://{settings.endpoint.address}:{settings.endpoint.port}",
        )
    )

    def part(name: str, run_it: Part) -> Part:
        return restarting(name, run_it, sink=bus, clock=clock)

    async def offer() -> None:
        await _offer(options, registry, layout, desired)
        await together(
            part("registry observer", view.run),
            part("cloud observer", servers.run),
            part("executor", executor.run),
            part("reconciler", reconciler.run),
            part("proxy publisher", proxy.run),
            part("document publisher", documents.run),
        )

    return _Appliance(
        control=control,
        reconciler=reconciler,
        desired=desired,
        proxy=nginx,
        metrics=metrics,
        tree=part("control", offer),
    )


async def _offer(options: RunOptions, registry: Registry, layout: Layout, desired: DesiredStore) -> None:
    """Put the file into the registry before anything acts on what may be an older one."""
    while True:
        session = registry.session()
        while session.state is not SessionState.CONNECTED:
            session = await registry.wait_session_change(session)
        try:
            for parent in layout.parents:
                await _ensure(registry, parent)
            await desired.offer(options.source, str(options.file), "hfs run")
        except (PortError, trio.TooSlowError):
            await trio.sleep(to_seconds(OFFER_AGAIN_AFTER))
        else:
            return


async def _ensure(registry: Registry, path: str) -> None:
    try:
        await registry.create(path)
    except Conflict:
        return  # it is there: all that was wanted


async def _live(
    options: RunOptions,
    appliance: _Appliance,
    bus: EventBus,
    keep_registry: Part | None,
    signals: AsyncIterator[int],
    show: View,
) -> None:
    admin = options.desired.admin
    shutdown = trio.Event()
    async with trio.open_nursery() as nursery:
        api = build(appliance.control, appliance.metrics.expose)
        try:
            await nursery.start(partial(serve, api, admin.address, admin.port, shutdown=shutdown))
        except PortError as error:
            raise CannotStart(f"admin API: {error.words}; set [admin] listen") from error
        if keep_registry is not None:
            nursery.start_soon(restarting("embedded registry", keep_registry, sink=bus, clock=SystemClock()))
        nursery.start_soon(appliance.tree)
        nursery.start_soon(show, appliance.control)
        await _or_signal(signals, appliance.control.wait_down)
        if not options.keep:
            await _close(appliance, signals)
        shutdown.set()
        nursery.cancel_scope.cancel()
    if not options.keep:
        with trio.CancelScope(shield=True):
            await appliance.proxy.stop()


async def _or_signal(signals: AsyncIterator[int], wait: Callable[[], Awaitable[None]]) -> None:
    """Wait for the next signal or for `wait`, whichever comes first."""
    async with trio.open_nursery() as nursery:

        async def wait_signal() -> None:
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait_signal)
        await wait()
        nursery.cancel_scope.cancel()


async def _close(appliance: _Appliance, signals: AsyncIterator[int]) -> None:
    """Retire every server; a second signal, or too long a wait, leaves what is left."""
    appliance.reconciler.close()
    with trio.move_on_after(to_seconds(CLOSE_WITHIN)):
        await _or_signal(signals, appliance.reconciler.wait_closed)
