"""The desired state: what an operator asked for, checked and typed.

Only the config room makes these values (from TOML) and it promises what the comments say. Everything here is immutable.
Durations are `Duration` (nanoseconds), shares are `Share` (parts of a million).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hfs_appliance.model.autoscale import Autoscale
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.foundation import Foundation
from hfs_appliance.model.guard import Guard, ServiceGuard
from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, PoolName, ServiceName, Version
from hfs_appliance.model.instants import HOUR, SECOND, Duration, seconds
from hfs_appliance.model.recipe import PLAIN, Recipe
from hfs_appliance.model.rollout import ROLLOUT, RolloutSettings, Wish
from hfs_appliance.model.shares import Share, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The one public REST endpoint."""

    address: str
    port: int
    title: str = "Hosting Foundation Services"
    description: str = ""
    connect_timeout: Duration = SECOND
    response_timeout: Duration = seconds(30)
    """Longest silence of an instance before the next one is tried (idempotent requests) or 504 is given."""
    reload_interval: Duration = SECOND
    """Shortest time between two reloads of the proxy; the first change of a burst is published at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerSettings:
    """The load balancer before the proxies."""

    port: int = 80
    """Where clients reach it, at the address that the cloud gives it."""
    network: str = ""
    """Name or id of the network in which it gets that address; empty: the first one of the servers."""
    drain: Duration = seconds(30)
    """How long a proxy that leaves for good gets no new connections before it leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """Where the admin API and the console listen."""

    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Which ZooKeeper the environment lives in. `hosts` empty: the embedded one."""

    hosts: tuple[str, ...] = ()
    session_timeout: Duration = seconds(6)
    embedded_port: int = 2181


class CloudProvider(StrEnum):
    """Where servers come from."""

    LOCAL = "local"
    OPENSTACK = "openstack"


class MachineKind(StrEnum):
    """What the local provider makes a server of."""

    PROCESSES = "processes"
    QEMU = "qemu"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSettings:
    """What every guest of QEMU is made of."""

    image: str = ""
    """Directory with `kernel`, `initramfs` and `disk`."""
    saved: str | None = None
    """Where the saved state lies from which guests are started; None: beside the servers."""
    memory_mib: int = 256
    ports: tuple[int, ...] = ()
    """Ports of a server's address that reach into its guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCloud:
    """The local provider: servers are process groups on this machine, or guests of QEMU."""

    network: str = "127.77.0.0/16"
    """Loopback network, CIDR, from which each server gets an address of its own."""
    directory: str | None = None
    """Where the servers lie; None: in the state directory of the appliance, which then is the only one."""
    machine: MachineKind = MachineKind.PROCESSES
    guest: GuestSettings = GuestSettings()
    boot: Duration = seconds(2)
    updates: Duration = seconds(1)
    configuration: Duration = seconds(1)
    """How long the stages of building a server take; a real machine takes minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """Where a new server gets hfs itself, and how it knows that it is the right file."""

    in_image: bool = False
    """Whether the image has it, so that nothing is fetched, whatever the rest says."""
    listen: Place | None = None
    """Where each appliance serves it; None: at the address from which it reaches the registry."""
    url: str = ""
    """What servers are told in place of that address."""
    sha256: str = ""
    """Of the file at `url`; empty: that is what the appliance itself runs from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStackCloud:
    """The OpenStack provider: servers of one project. Credentials are never here: this is kept in the registry."""

    cloud: str | None = None
    """Entry of clouds.yaml; None: what OS_CLOUD and the other OS_ variables of the process say."""
    clouds_file: str | None = None
    """A clouds.yaml of its own; None: the one that every OpenStack client finds."""
    image: str = ""
    """Name or id; empty: every pool names its own."""
    flavor: str = ""
    networks: tuple[str, ...] = ()
    """Names or ids; the first one's address is the server's. None: the one network that the project has."""
    security_groups: tuple[str, ...] = ()
    keypair: str | None = None
    server_group: str | None = None
    config_drive: bool = False
    executable: Executable = Executable()
    foundation: Foundation = field(default_factory=Foundation)
    """What of the networks, groups and keys above is made by hfs."""
    call_within: Duration = seconds(15)
    """How long one call of the cloud's API may take."""
    writes: int = 8
    """Creations and deletions under way at once, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """Which cloud, and how it is asked."""

    provider: CloudProvider
    azs: tuple[AvailabilityZone, ...] = (AvailabilityZone("az1"),)
    poll: Duration = SECOND
    """How often the list of servers is read."""
    local: LocalCloud = LocalCloud()
    openstack: OpenStackCloud = OpenStackCloud()

    @property
    def call_within(self) -> Duration:
        """Give how long one call of its API may take; the local one has none."""
        return self.openstack.call_within if self.provider is CloudProvider.OPENSTACK else Duration(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Shares of all servers that stay free for what matters more than full pools."""

    remediation: Share = percent(5)
    """Replacing what has died: neither pools nor rollouts take it."""
    rollout: Share = percent(15)
    """A new version beside the old one: pools do not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What hfs may never exceed, whatever the rest of the file says: `[quota]`."""

    max_servers: int
    max_creating: int = 10
    """Servers in creation at one time."""
    max_deleting: int = 10
    reserve: Reserve = Reserve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A warm pool: servers built ahead of time, waiting for a role."""

    name: PoolName
    size: int
    """Warm servers to keep ready, beyond what services are short of; with `max`, at least."""
    max: int | None = None
    """Most to keep ready, by what has been claimed while one is built; None: always `size`."""
    remember: Duration = Duration(24 * HOUR)
    """How long the greatest rush counts."""
    build_within: Duration = seconds(600)
    """A server that has not announced itself by then counts as failed."""
    fresh: Duration | None = None
    """A warm server that was built longer ago is claimed only when there is nothing better; None: never too long."""
    recycle: Duration | None = None
    """A warm server that was built longer ago is built anew; None: never."""
    image_canary: int = 0
    """Servers that have to come up by a new recipe before the pool is built by it; 0: it is at once."""
    recipe: Recipe = PLAIN
    """What its servers are made of, and how they are built."""


class ServiceRole(StrEnum):
    """What instances of a service are there for."""

    SERVICE = "service"
    """They answer at `/<name>/` of the endpoint."""
    PROXY = "proxy"
    """They are the endpoint: reverse proxies, which follow the routes to all others."""


class Registrar(StrEnum):
    """Who writes an instance's registration."""

    AGENT = "agent"
    SERVICE = "self"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an agent decides that an instance may have traffic."""

    path: str = "/health"
    interval: Duration = seconds(2)
    timeout: Duration = seconds(2)
    unhealthy_after: int = 3
    """Failed probes in a row until the registration is taken back."""
    ready_within: Duration = seconds(300)
    """An instance that has not registered by then is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """How an agent starts an instance. Placeholders in `command` and `environment` values:

    `{address} {port} {version} {service} {server} {venv} {directory}`; nothing else is expanded, no shell is involved.
    A part of the command that is `{hfs}` stands for hfs itself.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    pip: tuple[str, ...] = ()
    """Requirements installed into the server's own virtual environment before the first start."""
    directory: str | None = None
    """Directory whose content is copied to the server before the first start; relative to the configuration file."""
    restart_backoff: Duration = seconds(0.5)
    restart_backoff_max: Duration = seconds(30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A named micro-service: its versions with their counts, and what is common to them."""

    name: ServiceName
    pool: PoolName
    port: int
    run: RunSpec
    versions: Mapping[Version, int]
    """Instances wanted of each version."""
    role: ServiceRole = ServiceRole.SERVICE
    health: Health = Health()
    document: str | None = "/openapi.json"
    """Path of the service's own Swagger/OpenAPI document; None when it has none."""
    base_path: str = "/"
    """Path on the instance that the public `/<service>/` maps to; ends with a slash."""
    drain: Duration = seconds(5)
    """Time between the end of new requests and the stop of an instance."""
    suspect_grace: Duration = seconds(5)
    """How long an instance may be without registration before capacity is added in its place."""
    registrar: Registrar = Registrar.AGENT
    floor: int = 0
    """Instances, of all versions together, below which hfs never takes the service by its own hand."""
    guard: ServiceGuard = ServiceGuard()
    rollout: RolloutSettings = ROLLOUT
    wishes: Mapping[Version, Wish] = field(default_factory=dict)
    """How requests are to be divided among versions that stay; who is not named has no wish."""
    former: Mapping[Version, int] = field(default_factory=dict)
    """What was wanted before the present set of versions: it has the requests when the first rollout begins."""
    puppet_role: str | None = None
    """Class that Puppet applies on a server that is given its role; None: none."""
    autoscale: Autoscale | None = None
    """How the total of its instances follows what is asked of it; None: the total is that of its versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """Everything that one environment should be."""

    environment: EnvironmentName
    generation: int
    """Rises by one whenever the content changes; 0 until it is stored."""
    registry: RegistrySettings
    cloud: CloudSettings
    endpoint: Endpoint
    admin: Admin
    limits: Limits
    pools: Mapping[PoolName, Pool]
    services: Mapping[ServiceName, Service]
    guard: Guard = Guard()
    balancer: BalancerSettings | None = None
    """None: clients reach the proxies by themselves."""
