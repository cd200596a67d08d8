"""The shape of a configuration file: its tables and keys, in the operator's language.

One source for what is accepted, for the JSON schema of editors and for the reference in docs/configuration.md. Values
are checked one by one here; how they go together is the business of `checks`. Defaults are the model's own. Every
required key has an example: it stands in the reference, and in place of a wrong value while the rest is checked.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from hfs_appliance.config import spellings
from hfs_appliance.config.cloud import Cloud, Port
from hfs_appliance.config.pool import Pool
from hfs_appliance.config.rollout import Match, Rollout
from hfs_appliance.config.spellings import Listen, share, span
from hfs_appliance.config.table import Table, default
from hfs_appliance.model import autoscale, desired, guard
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.shares import Share

Name: TypeAlias = Annotated[str, spellings.ANY_NAME]
Path: TypeAlias = Annotated[str, spellings.URL_PATH]
Template: TypeAlias = Annotated[str, spellings.TEMPLATE]
Text: TypeAlias = Annotated[str, spellings.FREE_TEXT]
ListenAt: TypeAlias = Annotated[Listen, spellings.LISTEN]
Count: TypeAlias = Annotated[int, Field(ge=0, le=100_000)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1, le=100_000)]
# The tokens of the budget lie in one entry of the registry, of less than 1 MiB: some 120 bytes each.
Tokens: TypeAlias = Annotated[int, Field(ge=1, le=4_000)]


class Environment(Table):
    """Which environment this is."""

    name: Name = Field(examples=["local"])
    """Name of the environment; everything it keeps in the registry lies below `/hfs/<name>`."""


class Registry(Table):
    """The ZooKeeper that the environment lives in."""

    hosts: list[Annotated[str, spellings.REGISTRY_HOST]] = []
    """Servers of the ensemble, each `"host:port"`. Empty: the registry that is embedded in `hfs run`."""
    session_timeout: Annotated[Duration, span("1s", "5m")] = default(desired.RegistrySettings, "session_timeout")
    """How long an instance may be cut off from the registry before its registration goes."""
    embedded_port: Port = default(desired.RegistrySettings, "embedded_port")
    """Port of the embedded registry on 127.0.0.1."""


class Endpoint(Table):
    """The one public REST endpoint."""

    listen: ListenAt = Field(examples=["127.0.0.1:8080"])
    """IPv4 address and port."""
    title: Text = default(desired.Endpoint, "title")
    """Title of the merged Swagger document."""
    description: Text = default(desired.Endpoint, "description")
    """Description in the merged Swagger document."""
    connect_timeout: Annotated[Duration, span("10ms", "1m")] = default(desired.Endpoint, "connect_timeout")
    """How long an instance may take to accept a connection before the next one is tried."""
    response_timeout: Annotated[Duration, span("100ms", "1h")] = default(desired.Endpoint, "response_timeout")
    """Longest silence of an instance before the next one is tried (idempotent requests) or 504 is answered."""
    reload_interval: Annotated[Duration, span("100ms", "1m")] = default(desired.Endpoint, "reload_interval")
    """Shortest time between two reloads of nginx; the first change of a burst is published at once."""


class Balancer(Table):
    """A load balancer of the cloud before the proxies of all appliances; left out, there is none."""

    port: Port = default(desired.BalancerSettings, "port")
    """Where clients reach it, at the address that the cloud gives it."""
    network: Text = default(desired.BalancerSettings, "network")
    """Name or id of the network in which it gets that address; empty: the first one of the servers."""
    drain: Annotated[Duration, span("0s", "1h")] = default(desired.BalancerSettings, "drain")
    """How long a proxy that leaves gets no new connections before it is taken out."""


class Admin(Table):
    """The admin API and the console."""

    listen: ListenAt = Listen(address="127.0.0.1", port=8081)
    """IPv4 address and port; whoever reaches it rules the environment."""


class Reserve(Table):
    """Shares of `max_servers` that stay free for what matters more than full pools."""

    remediation: Annotated[Share, share("0%", "50%")] = default(desired.Reserve, "remediation")
    """For replacing what has died: neither pools nor new versions take it."""
    rollout: Annotated[Share, share("0%", "50%")] = default(desired.Reserve, "rollout")
    """For a new version beside the old one: pools do not take it."""


class Quota(Table):
    """What hfs may never exceed, whatever the rest of the file says."""

    max_servers: AtLeastOne = Field(examples=[30])
    """Servers that may exist at one time, the warm ones and those being built included."""
    max_creating: AtLeastOne = default(desired.Limits, "max_creating")
    """Servers that may be in creation at one time."""
    max_deleting: AtLeastOne = default(desired.Limits, "max_deleting")
    """Servers that may be in deletion at one time."""
    reserve: Reserve = Reserve()


class DestroyBudget(Table):
    """How many servers may be taken away within a window, whatever the cause."""

    percent: Annotated[Share, share("0.1%")] = default(guard.DestroyBudget, "percent")
    """Share of the servers that there are."""
    min: Tokens = default(guard.DestroyBudget, "min")
    """At least this many, however few servers there are."""
    max: Tokens = default(guard.DestroyBudget, "max")
    """At most this many, however many servers there are."""
    window: Annotated[Duration, span("1s", "1d")] = default(guard.DestroyBudget, "window")
    """A server that was taken away counts for this long, and until the cloud has confirmed that it is gone."""


class Storm(Table):
    """How many losses at once are too many to be believed without a second witness."""

    percent: Annotated[Share, share("1%")] = default(guard.Storm, "percent")
    """Share of a service's instances, or of all servers, that may be lost at once."""
    min: AtLeastOne = default(guard.Storm, "min")
    """Fewer lost servers are no storm, whatever their share."""


class Quarantine(Table):
    """How sick servers are kept to be looked at: out of traffic, running, until `hfs explain` has told why."""

    keep: Annotated[Duration, span("0s", "30d")] = default(guard.Quarantine, "keep")
    """How long such a server is kept."""
    max: Count = default(guard.Quarantine, "max")
    """Servers kept of one service, or of one pool's failed builds; the oldest leaves first. 0: none is kept."""


class Guard(Table):
    """How much hfs may destroy, whatever it believes and whoever asks for it."""

    destroy_budget: DestroyBudget = DestroyBudget()
    storm: Storm = Storm()
    shrink_confirm: Annotated[Share, share("1%")] = default(guard.Guard, "shrink_confirm")
    """A change that removes a larger share of a service's, or of all instances must be confirmed."""
    quarantine: Quarantine = Quarantine()


class Run(Table):
    """How an instance is started. No shell is involved."""

    command: Annotated[list[Template], Field(min_length=1)] = Field(examples=[["python3", "{directory}/service.py"]])
    """Program and arguments. Placeholders: `{address} {port} {version} {service} {server} {venv} {directory} {hfs}`."""
    environment: dict[Annotated[str, spellings.VARIABLE], Template] = {}
    """Environment variables, with the same placeholders, beside those that docs/developing.md lists."""
    pip: list[Annotated[str, spellings.REQUIREMENT]] = []
    """Python packages installed into the server's own virtual environment (`{venv}`) before the first start."""
    directory: Annotated[str | None, spellings.FILLED] = None
    """Directory copied to the server (`{directory}`) before the first start; relative to this file."""
    restart_backoff: Annotated[Duration, span("10ms", "1h")] = default(desired.RunSpec, "restart_backoff")
    """Pause before an instance that ended by itself is started again; doubles with each failure in a row."""
    restart_backoff_max: Annotated[Duration, span("10ms", "1h")] = default(desired.RunSpec, "restart_backoff_max")
    """Longest such pause."""


class Health(Table):
    """How it is decided that an instance may have traffic."""

    path: Path = default(desired.Health, "path")
    """URL path that answers with a status from 200 to 299 when the instance is well."""
    interval: Annotated[Duration, span("100ms", "1h")] = default(desired.Health, "interval")
    """Time between two probes."""
    timeout: Annotated[Duration, span("10ms", "5m")] = default(desired.Health, "timeout")
    """A probe without an answer by then has failed."""
    unhealthy_after: Annotated[int, Field(ge=1, le=1000)] = default(desired.Health, "unhealthy_after")
    """Failed probes in a row until the instance is taken out of traffic."""
    ready_within: Annotated[Duration, span("1s", "1d")] = default(desired.Health, "ready_within")
    """An instance that is not well by then is replaced."""


class Version(Table):
    """One version of a service; several may run side by side."""

    instances: Count = Field(examples=[2])
    """Instances wanted."""
    weight: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    """Its part of the requests, compared with the other versions' weights; left out of all: by their instances."""
    match: Annotated[list[Match], Field(max_length=20)] = []
    """Requests that go to this version whatever the weights: `{ header = "X-Beta", value = "yes" }`, or `cookie`."""


class ServiceBudget(Table):
    """A stricter budget for one service, on top of the environment's."""

    percent: Annotated[Share | None, share("0.1%")] = None
    """Share of the service's instances; at most the environment's."""
    min: Tokens | None = None
    """At least this many; at most the environment's."""
    max: Tokens | None = None
    """At most this many; at most the environment's."""
    window: Annotated[Duration | None, span("1s", "1d")] = None
    """How long an instance that was taken away counts; at least the environment's."""


class ServiceStorm(Table):
    """A stricter storm guard for one service."""

    percent: Annotated[Share | None, share("1%")] = None
    """Share of the service's instances that may be lost at once; at most the environment's."""
    min: AtLeastOne | None = None
    """Fewer lost instances are no storm; at most the environment's."""


class ServiceGuard(Table):
    """Where a service is guarded more strictly than the environment; what is left out is the environment's."""

    destroy_budget: ServiceBudget = ServiceBudget()
    storm: ServiceStorm = ServiceStorm()
    shrink_confirm: Annotated[Share | None, share("1%")] = None
    """Share of its instances above which a removal must be confirmed; at most the environment's."""


class Up(Table):
    """How fast a service grows."""

    window: Annotated[Duration, span("0s", "45m")] = autoscale.UP.window
    """So long must more instances have been needed without a break."""
    max: Annotated[Share, share("1%", "900%")] = autoscale.UP.max
    """By this share of its instances, and by at least one, …"""
    per: Annotated[Duration, span("1s", "1d")] = autoscale.UP.per
    """… within this time."""


class Down(Table):
    """How fast a service shrinks."""

    window: Annotated[Duration, span("0s", "45m")] = autoscale.DOWN.window
    """So long must fewer instances have been enough, without a break in the figures."""
    max: Annotated[Share, share("1%")] = autoscale.DOWN.max
    """By this share of its instances, and by at least one, …"""
    per: Annotated[Duration, span("1s", "1d")] = autoscale.DOWN.per
    """… within this time."""


class NoData(Table):
    """What happens while nothing is known of the load."""

    up: Literal["hold", "usual"] = "hold"
    """Grow no more, or grow back to the `instances` of the versions."""
    down: Literal["never", "usual"] = "never"
    """Shrink no more, or shrink back to the `instances` of the versions."""


class Autoscale(Table):
    """How the number of instances follows what is asked of the service; the target that needs most wins."""

    min: AtLeastOne = Field(examples=[2])
    """Never fewer instances than this."""
    max: AtLeastOne = Field(examples=[20])
    """Never more instances than this."""
    rps_per_instance: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """Target: requests a second of each instance."""
    in_flight_per_instance: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """Target: requests under way at a time in each instance."""
    cpu: Annotated[Share | None, share("1%")] = None
    """Target: share of its server's processors that an instance uses, as agents measure it."""
    load: Annotated[Share | None, share("1%", "900%")] = None
    """Target: load average of an instance's server for each of its processors, as agents read it."""
    latency_p95: Annotated[Duration | None, span("1ms", "1h")] = None
    """Target: 95 of 100 requests are answered within this. It only makes the service grow: give another target, too."""
    errors: Annotated[Share, share("0.1%")] = default(autoscale.Autoscale, "errors")
    """While so many of its requests fail, the service does not shrink: what fails at once asks for little."""
    tolerance: Annotated[Share, share("0%", "50%")] = default(autoscale.Autoscale, "tolerance")
    """What deviates less from the target changes nothing."""
    up: Up = Up()
    down: Down = Down()
    no_data: NoData = NoData()


class Service(Table):
    """A service: it answers at `/<name>/` of the endpoint."""

    pool: Name = Field(examples=["small"])
    """Warm pool that gives its servers."""
    role: Literal["service", "proxy"] = "service"
    """`proxy`: its instances are reverse proxies before all others, and not routed themselves."""
    port: Port = Field(examples=[9000])
    """Port on which an instance listens, on its server's address."""
    document: Annotated[str, spellings.DOCUMENT] = default(desired.Service, "document")
    """URL path of the service's own Swagger or OpenAPI document; `""` when it has none."""
    base_path: Annotated[str, spellings.BASE_PATH] = default(desired.Service, "base_path")
    """Path on the instance that `/<name>/` leads to; ends with a slash."""
    drain: Annotated[Duration, span("0s", "1h")] = default(desired.Service, "drain")
    """Time between the last new request and the stop of an instance that leaves."""
    suspect_grace: Annotated[Duration, span("0s", "1h")] = default(desired.Service, "suspect_grace")
    """How long an instance may be without registration before capacity is added in its place."""
    registrar: Literal["agent", "self"] = "agent"
    """Who registers an instance: the agent once it is healthy, or the service by itself."""
    puppet_role: Annotated[str | None, spellings.PUPPET_CLASS] = None
    """Puppet class that its servers get before the first start, from the modules of their pool."""
    floor: Count = default(desired.Service, "floor")
    """Instances, of all versions together, below which hfs never takes the service by its own hand."""
    guard: ServiceGuard = ServiceGuard()
    autoscale: Autoscale | None = None
    rollout: Rollout = Rollout()
    run: Run = Field(examples=[{"command": ["python3", "service.py"]}])
    health: Health = Health()
    version: Annotated[dict[Annotated[str, spellings.VERSION_NAME], Version], Field(min_length=1)] = Field(
        examples=[{"1.0.0": {"instances": 2}}]
    )
    """The versions that run, by name: `[service.dns.version."1.4.2"]`."""


class File(Table):
    """A whole file."""

    format: Literal[1] = Field(default=1, alias="schema")
    """Format of this file."""
    environment: Environment = Field(examples=[{"name": "local"}])
    registry: Registry = Registry()
    cloud: Cloud = Field(examples=[{"provider": "local"}])
    endpoint: Endpoint = Field(examples=[{"listen": "127.0.0.1:8080"}])
    balancer: Balancer | None = None
    admin: Admin = Admin()
    guard: Guard = Guard()
    quota: Quota = Field(examples=[{"max_servers": 30}])
    pool: dict[Annotated[str, spellings.POOL_NAME], Pool] = {}
    """Warm pools, by name: `[pool.small]`."""
    service: dict[Name, Service] = {}
    """Services, by name: `[service.dns]`."""
