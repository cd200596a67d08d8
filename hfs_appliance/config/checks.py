"""Checks of how the values of a desired state go together. Pure; single values were checked when they were read."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hfs_appliance.config import percents
from hfs_appliance.config.durations import write
from hfs_appliance.config.keys import KeyPath, quote, suggest, write_path
from hfs_appliance.config.mistakes import Finding
from hfs_appliance.config.recipes import recipes
from hfs_appliance.config.upgrades import upgrades
from hfs_appliance.model.desired import CloudProvider, DesiredState, MachineKind, Service
from hfs_appliance.model.guard import DestroyBudget, Guard, ServiceBudget, ServiceGuard
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.shares import Share
from hfs_appliance.model.strain import AGENT_PORT

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - compared with, not listened on


def contradictions(desired: DesiredState) -> Iterator[Finding]:
    """Give everything that does not go together."""
    yield from capacity(desired)
    yield from floors(desired)
    yield from scaling(desired)
    yield from _pools(desired)
    yield from _repetitions(desired)
    yield from _listeners(desired)
    yield from _local_cloud(desired)
    yield from _openstack_cloud(desired)
    yield from _guards(desired)
    yield from _in_order(
        ("endpoint", "connect_timeout"),
        desired.endpoint.connect_timeout,
        ("endpoint", "response_timeout"),
        desired.endpoint.response_timeout,
    )
    yield from recipes(desired)
    for service in desired.services.values():
        yield from _service(desired, service)
        yield from upgrades(service)


def capacity(desired: DesiredState) -> Iterator[Finding]:
    """Check that everything wanted fits below the limit."""
    wanted: dict[KeyPath, int] = {
        ("pool", name, "size" if pool.max is None else "max"): max(pool.size, pool.max or 0)
        for name, pool in desired.pools.items()
    }
    for service in desired.services.values():
        if service.autoscale is not None:
            wanted["service", service.name, "autoscale", "max"] = service.autoscale.max
            continue
        for version, instances in service.versions.items():
            wanted["service", service.name, "version", version, "instances"] = instances
    total, most = sum(wanted.values()), desired.limits.max_servers
    if total > most:
        yield Finding(
            path=("quota", "max_servers"),
            words=f"{most} servers are fewer than the {total} that pools and services want together",
            hint=f"at least {total}",
            others=tuple(wanted),
        )


def floors(desired: DesiredState) -> Iterator[Finding]:
    """Check that no service is wanted below its own floor."""
    for service in desired.services.values():
        wanted = sum(service.versions.values())
        path: KeyPath = ("service", service.name)
        if service.autoscale is not None:
            if service.floor > service.autoscale.min:
                words = f"{service.floor} instances are more than autoscale.min, {service.autoscale.min}"
                yield Finding(path=(*path, "floor"), words=words, others=((*path, "autoscale", "min"),))
        elif service.floor > wanted:
            words = f"{service.floor} instances are more than the {wanted} that its versions want together"
            others = tuple((*path, "version", version, "instances") for version in service.versions)
            yield Finding(path=(*path, "floor"), words=words, others=others)


def scaling(desired: DesiredState) -> Iterator[Finding]:
    """Check that each service that scales itself has something to follow, and bounds that hold what it begins with."""
    for service in desired.services.values():
        scale, path = service.autoscale, ("service", service.name, "autoscale")
        if scale is None:
            continue
        targets = (scale.rps_per_instance, scale.in_flight_per_instance, scale.cpu, scale.load)
        if not any(target is not None for target in targets):
            words = "has no target to follow" + (" but latency_p95" if scale.latency_p95 is not None else "")
            yield Finding(path=path, words=words, hint="write rps_per_instance = 100")
        if scale.min > scale.max:
            yield Finding(
                path=(*path, "min"), words=f"{scale.min} is above the max of {scale.max}", others=((*path, "max"),)
            )
            continue
        usual = sum(service.versions.values())
        if usual and not scale.min <= usual <= scale.max:
            counts = tuple(("service", service.name, "version", version, "instances") for version in service.versions)
            words = f"from {scale.min} to {scale.max} leaves out the {usual} that its versions begin with"
            yield Finding(path=path, words=words, others=counts)


def _pools(desired: DesiredState) -> Iterator[Finding]:
    """Check that no pool is to have fewer servers at most than at least."""
    for name, pool in desired.pools.items():
        if pool.max is not None and pool.max < pool.size:
            words = f"{pool.max} is below the size of {pool.size}"
            yield Finding(path=("pool", name, "max"), words=words, others=(("pool", name, "size"),))


def _repetitions(desired: DesiredState) -> Iterator[Finding]:
    """Check that no item stands twice in a list of names."""
    lists: Sequence[tuple[KeyPath, Sequence[str]]] = (
        (("registry", "hosts"), desired.registry.hosts),
        (("cloud", "azs"), desired.cloud.azs),
        (("cloud", "openstack", "networks"), desired.cloud.openstack.networks),
        (("cloud", "openstack", "security_groups"), desired.cloud.openstack.security_groups),
    )
    for path, names in lists:
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Finding(path=(*path, index), words=f"{quote(name)} stands here twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listener:
    path: KeyPath
    address: str
    port: int

    def is_hit_by(self, other: _Listener) -> bool:
        same_address = self.address == other.address or _EVERYWHERE in (self.address, other.address)
        return same_address and self.port == other.port

    def is_in(self, network: ipaddress.IPv4Network) -> bool:
        return self.address == _EVERYWHERE or ipaddress.IPv4Address(self.address) in network


def _listeners(desired: DesiredState) -> Iterator[Finding]:
    """Check that nothing listens where something else does."""
    listeners = [
        _Listener(path=("endpoint", "listen"), address=desired.endpoint.address, port=desired.endpoint.port),
        _Listener(path=("admin", "listen"), address=desired.admin.address, port=desired.admin.port),
    ]
    if not desired.registry.hosts:
        embedded = ("registry", "embedded_port")
        listeners.append(_Listener(path=embedded, address="127.0.0.1", port=desired.registry.embedded_port))
    for index, listener in enumerate(listeners):
        for other in listeners[:index]:
            if listener.is_hit_by(other):
                words = f"{listener.address}:{listener.port} is taken by {write_path(other.path)}"
                yield Finding(path=listener.path, words=words, others=(other.path, ("registry", "hosts")))
    if desired.cloud.provider is not CloudProvider.LOCAL:
        return
    network = ipaddress.IPv4Network(desired.cloud.local.network)
    for service in desired.services.values():
        for listener in listeners:
            if service.port == listener.port and listener.is_in(network):
                words = f"port {service.port} is taken on the servers' addresses by {write_path(listener.path)}"
                others = (listener.path, ("cloud", "local", "network"))
                yield Finding(path=("service", service.name, "port"), words=words, others=others)


def _local_cloud(desired: DesiredState) -> Iterator[Finding]:
    """Check that this machine can hold the servers, and that pools wait long enough for them."""
    if desired.cloud.provider is not CloudProvider.LOCAL:
        return
    local, most = desired.cloud.local, desired.limits.max_servers
    path: KeyPath = ("cloud", "local", "network")
    # The first and the last address of a network are nobody's.
    addresses = max(0, ipaddress.IPv4Network(local.network).num_addresses - 2)
    if addresses < most:
        words = f"{local.network} has {addresses} addresses for the {most} servers of quota.max_servers"
        yield Finding(path=path, words=words, hint="choose a larger network", others=(("quota", "max_servers"),))
    if local.machine is MachineKind.QEMU:
        yield from _guests(desired)
    stages = Duration(local.boot + local.updates + local.configuration)
    for pool in desired.pools.values():
        if pool.build_within <= stages:
            yield Finding(
                path=("pool", pool.name, "build_within"),
                words=f"{write(pool.build_within)} are too short: the stages of [cloud.local] take {write(stages)}",
                others=tuple(("cloud", "local", stage) for stage in ("boot", "updates", "configuration")),
            )


def _guests(desired: DesiredState) -> Iterator[Finding]:
    """Check that guests have something to boot, and that every service can be reached in one."""
    guest, table = desired.cloud.local.guest, ("cloud", "local", "guest")
    if not guest.image:
        words = "is missing: what does a guest boot?"
        yield Finding(path=(*table, "image"), words=words, hint="the directory that `./build.sh guest` makes")
    for service in desired.services.values():
        if service.port not in guest.ports:
            words = f"port {service.port} does not reach into a guest"
            yield Finding(path=("service", service.name, "port"), words=words, others=((*table, "ports"),))


def _openstack_cloud(desired: DesiredState) -> Iterator[Finding]:
    """Check that every server has something to be made of, and a registry that it can reach."""
    if desired.cloud.provider is not CloudProvider.OPENSTACK:
        return
    settings, table = desired.cloud.openstack, ("cloud", "openstack")
    for key, common in (("image", settings.image), ("flavor", settings.flavor)):
        for pool in desired.pools.values():
            if not common and not getattr(pool.recipe, key):
                words = f"has no {key}, nor has [cloud.openstack]"
                yield Finding(path=("pool", pool.name), words=words, others=((*table, key),))
    if desired.balancer is not None and not desired.balancer.network and not settings.networks:
        words = "is missing: in which network does the load balancer get its address?"
        yield Finding(path=("balancer", "network"), words=words, others=((*table, "networks"),))
    executable, path = settings.executable, (*table, "executable")
    if executable.sha256 and not executable.url:
        words = "is missing: where is the file that has this sha256?"
        yield Finding(path=(*path, "url"), words=words, others=((*path, "sha256"),))
    if not desired.registry.hosts:
        words = "is missing: servers of a cloud do not reach the registry that is embedded in `hfs run`"
        yield Finding(path=("registry", "hosts"), words=words, hint='for example hosts = ["zk1:2181"]')


def _guards(desired: DesiredState) -> Iterator[Finding]:
    """Check that the budget's bounds do not cross, and that no service is looser than the environment."""
    common = desired.guard
    yield from _bounds(("guard", "destroy_budget"), common.destroy_budget)
    for service in desired.services.values():
        path: KeyPath = ("service", service.name, "guard")
        yield from _looser(path, service.guard, common)
        if service.guard.destroy_budget != ServiceBudget():
            yield from _bounds((*path, "destroy_budget"), service.guard.within(common).destroy_budget)


def _bounds(path: KeyPath, budget: DestroyBudget) -> Iterator[Finding]:
    if budget.min > budget.max:
        words = f"{budget.min} is above the max of {budget.max}"
        others = ((*path, "max"), ("guard", "destroy_budget"))
        yield Finding(path=(*path, "min"), words=words, others=others)


def _looser(path: KeyPath, own: ServiceGuard, common: Guard) -> Iterator[Finding]:
    """Compare each key that a service sets with the environment's."""
    budget, storm = ("destroy_budget",), ("storm",)
    pairs: Sequence[tuple[KeyPath, int | None, int, Callable[[int], str]]] = (
        ((*budget, "percent"), own.destroy_budget.percent, common.destroy_budget.percent, _percent),
        ((*budget, "min"), own.destroy_budget.min, common.destroy_budget.min, str),
        ((*budget, "max"), own.destroy_budget.max, common.destroy_budget.max, str),
        ((*storm, "percent"), own.storm.percent, common.storm.percent, _percent),
        ((*storm, "min"), own.storm.min, common.storm.min, str),
        (("shrink_confirm",), own.shrink_confirm, common.shrink_confirm, _percent),
    )
    for keys, mine, limit, say in pairs:
        if mine is not None and mine > limit:
            words = f"{say(mine)} is looser than the environment's {say(limit)}; a service may only be stricter"
            yield Finding(path=(*path, *keys), words=words, others=(("guard", *keys),))
    window, least = own.destroy_budget.window, common.destroy_budget.window
    if window is not None and window < least:
        words = f"{write(window)} are looser than the environment's {write(least)}; a service may only be stricter"
        yield Finding(path=(*path, *budget, "window"), words=words, others=(("guard", *budget, "window"),))


def _percent(share: int) -> str:
    return percents.write(Share(share))


def _service(desired: DesiredState, service: Service) -> Iterator[Finding]:
    path: KeyPath = ("service", service.name)
    if service.name == "docs" or service.name.startswith("hfs"):  # `/docs/` and `/hfs…` are the endpoint's own
        yield Finding(path=path, words="is a name that the endpoint keeps for itself", hint="choose another one")
    if service.pool not in desired.pools:
        known = ", ".join(map(quote, desired.pools)) or "none"
        hint = suggest(service.pool, desired.pools) or f"there are {known}"
        words = f"there is no pool {quote(service.pool)}"
        yield Finding(path=(*path, "pool"), words=words, hint=hint, others=(("pool", service.pool),))
    if service.port == AGENT_PORT:
        words = f"{service.port} is where agents tell how busy their servers are"
        yield Finding(path=(*path, "port"), words=words, hint="choose another one")
    health = service.health
    ready = (*path, "health", "ready_within")
    yield from _in_order((*path, "health", "timeout"), health.timeout, ready, health.ready_within)
    yield from _in_order((*path, "health", "interval"), health.interval, ready, health.ready_within)
    pause, longest = (*path, "run", "restart_backoff"), (*path, "run", "restart_backoff_max")
    yield from _in_order(pause, service.run.restart_backoff, longest, service.run.restart_backoff_max)


def _in_order(shorter: KeyPath, short: Duration, longer: KeyPath, long: Duration) -> Iterator[Finding]:
    """Check that one duration is not longer than another one."""
    if short > long:
        words = f"{write(short)} are longer than {write_path(longer)}, {write(long)}"
        yield Finding(path=shorter, words=words, others=(longer,))
