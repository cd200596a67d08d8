"""Composition root: configuration + backends -> supervision tree. The only file that knows everyone.

run
├─ admin API, live view            outlive a broken control plane
├─ executable                      (OpenStack) serves hfs itself and Puppet's modules to new servers
├─ embedded registry               (local) its process is kept running
├─ decision journal                writes down what was decided upon, and what was decided
└─ control plane (runtime/plane.py)
   ├─ registry, cloud and probe observers   what is
   ├─ leadership                            whether this appliance may act
   ├─ reconciler, executor                  what to do, and doing it
   └─ proxy publisher, document publisher   what the endpoint serves
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NoReturn, TextIO, TypeAlias

import trio

from hfs_appliance import __version__
from hfs_appliance.adapters.clock import SystemClock, SystemEntropy
from hfs_appliance.adapters.http import HttpSpecSource
from hfs_appliance.adapters.local.cloud import LocalCloud
from hfs_appliance.adapters.nginx.load import NginxLoad
from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.adapters.probe import HttpProber
from hfs_appliance.adapters.process import own_command, replace_file
from hfs_appliance.adapters.strain import HttpStrain
from hfs_appliance.adapters.worker import ThreadWorker
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.config.spellings import Listen
from hfs_appliance.founding import NGINX, estate
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.desired import CloudProvider, DesiredState
from hfs_appliance.model.events import ApplianceStarted, ApplianceStopped
from hfs_appliance.model.instants import Duration, seconds, to_seconds
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.ports.balancer import LoadBalancer
from hfs_appliance.ports.cloud import Cloud
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.registry import Registry
from hfs_appliance.runtime.collector import collecting_seldom
from hfs_appliance.runtime.control import ApplianceControl
from hfs_appliance.runtime.embedded import EmbeddedRegistry, RegistryFailed
from hfs_appliance.runtime.ending import Ending, end, first_of, wait_built, wait_led_by_another
from hfs_appliance.runtime.plane import Backends, ControlPlane
from hfs_appliance.runtime.recording import Recording
from hfs_appliance.runtime.supervise import Part, restarting
from hfs_appliance.runtime.tunables import patient
from hfs_appliance.supplies import CannotStart, Supplies, handing_out, told_address
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.decisions import DecisionLog
from hfs_appliance.telemetry.journal import Journal, newest
from hfs_appliance.telemetry.metrics import Metrics
from hfs_appliance.web.api import build
from hfs_appliance.web.control import Control
from hfs_appliance.web.listener import serve

JOURNAL: Final = "journal"
DECISIONS: Final = "decisions"
LOCK_WITHIN: Final = seconds(3)
LOCK_AGAIN_AFTER: Final = seconds(0.1)

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
    is_bootstrap: bool = False
    """End, and leave all running, once everything is as asked for."""
    admin: Listen | None = None
    endpoint: Listen | None = None
    executable: Listen | None = None
    """Where the admin API, the proxy and the server of hfs itself listen; None: where the file says."""


class Unfinished(Exception):
    """Something was to be done before the end and was not; the words say what, and what to do."""


class Interrupted(Exception):
    """Somebody lost patience before everything was as asked for; the words say how it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Appliance:
    """The parts, wired."""

    control: ApplianceControl
    plane: ControlPlane
    proxy: NginxProxy
    metrics: Metrics
    recording: Recording
    supervised: Callable[[str, Part], Part]
    """Give a part that is started again when it fails."""
    built: trio.Event = field(default_factory=trio.Event)
    """Set once everything has been as asked for while this appliance led."""


async def run(options: RunOptions, show: View) -> None:
    """Run the appliance until SIGINT, SIGTERM or `hfs down`. Errors: CannotStart, Unfinished."""
    options.state.mkdir(parents=True, exist_ok=True)
    with collecting_seldom(), trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with _only_one(options.state):
            await _run_alone(options, signals, show)


async def _run_alone(options: RunOptions, signals: AsyncIterator[int], show: View) -> None:
    clock = SystemClock()
    journal = Journal(options.state / JOURNAL)
    bus = EventBus(clock, last_seq=journal.last_seq)
    bus.subscribe("journal", journal)
    bus.emit("appliance", ApplianceStarted(version=__version__, environment=options.desired.environment))
    async with (
        _registry(options, bus, clock) as (registry, embedded),
        handing_out(options.desired, options.state, options.executable) as supplies,
    ):
        hosts = embedded.hosts if embedded is not None else options.desired.registry.hosts
        appliance = _compose(options, registry, hosts, supplies, bus, clock)
        ending = await _live(options, appliance, embedded, signals, show)
        if embedded is not None:
            embedded.outlives_us = ending.keeps_servers
    bus.emit("appliance", ApplianceStopped(words=ending.words))
    journal.close()
    if options.is_bootstrap and not appliance.built.is_set():
        _tell_unreached(options, appliance.plane)
    if ending.left:
        again = f"hfs run {options.file} --state {options.state}"
        raise Unfinished(f"{ending.words}\n`{again}` takes them over, and ends them when it is left to finish")


@asynccontextmanager
async def _only_one(state: Path) -> AsyncIterator[None]:
    """Hold the state directory's lock: two appliances must not share one. One that is just ending is waited for."""
    with (state / "hfs.lock").open("a+") as lock:
        with trio.move_on_after(to_seconds(LOCK_WITHIN)):
            while not _is_locked(lock):  # noqa: ASYNC110  # a file lock tells nobody when it is free
                await trio.sleep(to_seconds(LOCK_AGAIN_AFTER))
        if not _is_locked(lock):
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CannotStart(f"another `hfs run` (pid {holder}) works in {state}; end it, or give --state")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _is_locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def _registry(
    options: RunOptions, bus: EventBus, clock: SystemClock
) -> AsyncIterator[tuple[Registry, EmbeddedRegistry | None]]:
    """Open the session; with the embedded registry, start its process first and end it last."""
    settings = options.desired.registry
    if settings.hosts:
        async with connect(settings.hosts, session_timeout=settings.session_timeout, clock=clock) as registry:
            yield registry, None
        return
    embedded = EmbeddedRegistry(options.state / "registry", settings.embedded_port, own_command(), bus)
    # A start that fails must not take the registry away from an environment that lives already.
    embedded.outlives_us = embedded.is_running()
    try:
        await embedded.ensure_running()
    except RegistryFailed as error:
        raise CannotStart(str(error)) from error
    try:
        async with connect(embedded.hosts, session_timeout=settings.session_timeout, clock=clock) as registry:
            yield registry, embedded
    finally:
        if not embedded.outlives_us:
            with trio.CancelScope(shield=True):
                await embedded.stop()


def _cloud(options: RunOptions, supplies: Supplies, clock: SystemClock) -> tuple[Cloud, LoadBalancer | None]:
    """Give where servers come from, and what stands before the proxies: both by one way into the cloud."""
    desired = options.desired
    match desired.cloud.provider:
        case CloudProvider.LOCAL:
            return LocalCloud(desired.environment, options.state, desired.cloud.local, clock, own_command()), None
        case CloudProvider.OPENSTACK:
            found = estate(desired, clock, supplies.download, supplies.shelf)
            return found.cloud, found.balancer if desired.balancer is not None else None


def _admin(options: RunOptions) -> Listen:
    admin = options.desired.admin
    return options.admin or Listen(address=admin.address, port=admin.port)


def _reached_at(options: RunOptions) -> Place:
    """Give where a load balancer reaches the proxy of this host. Errors: CannotStart."""
    endpoint = options.endpoint or options.desired.endpoint
    return Place(told_address(endpoint.address, options.desired, "[balancer]"), endpoint.port)


def _candidate(options: RunOptions) -> Candidate:
    """Give what the other appliances of the environment are told of this one."""
    admin, host = _admin(options), socket.gethostname()
    address = host if ip_address(admin.address).is_unspecified else admin.address
    # The state directory's lock makes sure that only one lives at a time.
    identity = options.state / "appliance"
    if not identity.exists():
        replace_file(identity, SystemEntropy().nonce().encode())
    return Candidate(
        appliance=identity.read_text(), name=f"{host}:{admin.port}", address=f"http://{address}:{admin.port}"
    )


def _compose(
    options: RunOptions,
    registry: Registry,
    hosts: tuple[str, ...],
    supplies: Supplies,
    bus: EventBus,
    clock: SystemClock,
) -> _Appliance:
    settings = options.desired
    cloud, balancer = _cloud(options, supplies, clock)
    if settings.balancer is not None and balancer is None:
        raise CannotStart('[balancer]: only provider "openstack" has a load balancer; take the table out')
    listen = (options.endpoint.address, options.endpoint.port) if options.endpoint is not None else None
    nginx = NginxProxy(options.state / NGINX, listen=listen)
    metrics = Metrics()
    bus.subscribe("metrics", metrics)
    backends = Backends(
        registry=registry,
        registry_hosts=hosts,
        cloud=cloud,
        proxy=nginx,
        last_good=nginx.last_good(),
        prober=HttpProber(),
        strain=HttpStrain(),
        load=NginxLoad(options.state / NGINX, nginx.last_good, clock),
        specs=HttpSpecSource(),
        worker=ThreadWorker(),
        clock=clock,
        entropy=SystemEntropy(),
        sink=bus,
        us=_candidate(options),
        listen=listen,
        balancer=balancer,
        spares=cloud if isinstance(cloud, OpenStackCloud) else None,
        reached_at=_reached_at(options) if balancer is not None else None,
        tunables=patient(settings.cloud.call_within),
    )
    decisions = DecisionLog(options.state / DECISIONS)
    # A worker of its own: a second's decisions do not wait for a plan that takes many.
    recording = Recording(decisions, worker=ThreadWorker(), clock=clock, sink=bus)
    plane = ControlPlane(backends, settings, observe_plan=metrics.observe_plan, record=recording)
    return _Appliance(
        control=ApplianceControl(
            plane, registry=registry, bus=bus, clock=clock, earlier=partial(newest, options.state / JOURNAL)
        ),
        plane=plane,
        proxy=nginx,
        metrics=metrics,
        recording=recording,
        supervised=partial(restarting, sink=bus, clock=clock),
    )


def _tell_unreached(options: RunOptions, plane: ControlPlane) -> NoReturn:
    """Say how a bootstrap goes on that has not come to its end. Errors: Unfinished, Interrupted."""
    leader = plane.leadership.followed()
    if leader is not None:
        words = f"{leader.name} leads the environment, and builds what its own file says"
        raise Unfinished(f"{words}\ngive it this one: hfs --api {leader.address} apply {options.file}")
    words = "not everything is as asked for yet; what is there stays"
    raise Interrupted(f"{words}\n`hfs bootstrap {options.file}` goes on from there")


async def _live(
    options: RunOptions,
    appliance: _Appliance,
    embedded: EmbeddedRegistry | None,
    signals: AsyncIterator[int],
    show: View,
) -> Ending:
    admin, plane = _admin(options), appliance.plane
    shutdown = trio.Event()

    async def interrupted() -> None:
        async for _ in signals:
            break

    async with trio.open_nursery() as nursery:
        api = build(appliance.control, appliance.metrics.expose)
        try:
            await nursery.start(partial(serve, api, admin.address, admin.port, shutdown=shutdown))
        except PortError as error:
            raise CannotStart(f"admin API: {error.words}; set [admin] listen, or give --admin") from error
        if embedded is not None:
            nursery.start_soon(appliance.supervised("embedded registry", embedded.keep_running))
        nursery.start_soon(appliance.supervised("decision journal", appliance.recording.run))
        run_plane = partial(plane.run, options.source, str(options.file))
        nursery.start_soon(appliance.supervised("control plane", run_plane))
        nursery.start_soon(show, appliance.control)
        reasons = [interrupted, plane.desired.wait_closing]
        if options.is_bootstrap:
            patience = Duration(2 * options.desired.registry.session_timeout)
            reasons += [
                partial(wait_built, plane, appliance.built),
                partial(wait_led_by_another, plane.leadership, patience),
            ]
        await first_of(*reasons)
        ending = await end(plane, is_keeping=options.keep, interrupted=interrupted)
        shutdown.set()
        nursery.cancel_scope.cancel()
    if not ending.keeps_proxy:
        with trio.CancelScope(shield=True):
            await appliance.proxy.stop()
    return ending
