"""From the shape of a file to the model: a pure renaming, nothing is judged here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hfs_appliance.config import rollout, shape
from hfs_appliance.config.cloud import Cloud, Guest
from hfs_appliance.config.openstack import openstack
from hfs_appliance.config.pool import recipe
from hfs_appliance.model.autoscale import Autoscale, NoData, Stride, WhenBlind
from hfs_appliance.model.desired import (
    Admin,
    BalancerSettings,
    CloudProvider,
    CloudSettings,
    DesiredState,
    Endpoint,
    GuestSettings,
    Health,
    Limits,
    LocalCloud,
    MachineKind,
    Pool,
    Registrar,
    RegistrySettings,
    Reserve,
    RunSpec,
    Service,
    ServiceRole,
)
from hfs_appliance.model.guard import (
    DestroyBudget,
    Guard,
    Quarantine,
    ServiceBudget,
    ServiceGuard,
    ServiceStorm,
    Storm,
)
from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, PoolName, ServiceName, Version
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.rollout import Wish
from hfs_appliance.proxy.table import HEALTH_PATH

PROXY_DRAIN: Final = seconds(30)
"""A load balancer takes seconds to send a proxy nothing new, and clients keep their connections."""


def to_model(file: shape.File, *, generation: int, base: Path) -> DesiredState:
    """Translate a whole file; relative directories lie below `base`."""
    endpoint, common = file.endpoint, file.cloud.openstack
    return DesiredState(
        environment=EnvironmentName(file.environment.name),
        generation=generation,
        registry=RegistrySettings(
            hosts=tuple(file.registry.hosts),
            session_timeout=file.registry.session_timeout,
            embedded_port=file.registry.embedded_port,
        ),
        cloud=_cloud(file.cloud, base),
        endpoint=Endpoint(
            address=endpoint.listen.address,
            port=endpoint.listen.port,
            title=endpoint.title,
            description=endpoint.description,
            connect_timeout=endpoint.connect_timeout,
            response_timeout=endpoint.response_timeout,
            reload_interval=endpoint.reload_interval,
        ),
        admin=Admin(address=file.admin.listen.address, port=file.admin.listen.port),
        limits=Limits(
            max_servers=file.quota.max_servers,
            max_creating=file.quota.max_creating,
            max_deleting=file.quota.max_deleting,
            reserve=Reserve(remediation=file.quota.reserve.remediation, rollout=file.quota.reserve.rollout),
        ),
        guard=_guard(file.guard),
        balancer=BalancerSettings(**dict(file.balancer)) if file.balancer is not None else None,
        pools={
            PoolName(name): Pool(
                name=PoolName(name),
                size=pool.size,
                max=pool.max,
                remember=pool.remember,
                build_within=pool.build_within,
                fresh=pool.fresh,
                recycle=pool.recycle,
                image_canary=pool.image_canary,
                recipe=recipe(pool, base, image=common.image, flavor=common.flavor),
            )
            for name, pool in sorted(file.pool.items())
        },
        services={
            ServiceName(name): _service(ServiceName(name), service, base)
            for name, service in sorted(file.service.items())
        },
    )


def _cloud(cloud: Cloud, base: Path) -> CloudSettings:
    directory = cloud.local.directory
    return CloudSettings(
        provider=CloudProvider(cloud.provider),
        azs=tuple(map(AvailabilityZone, cloud.azs)),
        poll=cloud.poll,
        local=LocalCloud(
            network=cloud.local.network,
            directory=None if directory is None else str(base / directory),
            boot=cloud.local.boot,
            updates=cloud.local.updates,
            configuration=cloud.local.configuration,
            machine=MachineKind(cloud.local.machine),
            guest=_guest(cloud.local.guest, base),
        ),
        openstack=openstack(cloud.openstack, base),
    )


def _guest(guest: Guest, base: Path) -> GuestSettings:
    return GuestSettings(
        image=str(base / guest.image) if guest.image else "",
        saved=None if guest.saved is None else str(base / guest.saved),
        memory_mib=guest.memory_mib,
        ports=tuple(guest.ports),
    )


def _guard(guard: shape.Guard) -> Guard:
    budget, storm, quarantine = guard.destroy_budget, guard.storm, guard.quarantine
    return Guard(
        destroy_budget=DestroyBudget(percent=budget.percent, min=budget.min, max=budget.max, window=budget.window),
        storm=Storm(percent=storm.percent, min=storm.min),
        shrink_confirm=guard.shrink_confirm,
        quarantine=Quarantine(keep=quarantine.keep, max=quarantine.max),
    )


def _stricter(guard: shape.ServiceGuard) -> ServiceGuard:
    budget, storm = guard.destroy_budget, guard.storm
    return ServiceGuard(
        destroy_budget=ServiceBudget(percent=budget.percent, min=budget.min, max=budget.max, window=budget.window),
        storm=ServiceStorm(percent=storm.percent, min=storm.min),
        shrink_confirm=guard.shrink_confirm,
    )


def _service(name: ServiceName, service: shape.Service, base: Path) -> Service:
    health, role = service.health, ServiceRole(service.role)
    path, document, drain = health.path, service.document, service.drain
    if role is ServiceRole.PROXY:
        # No document, health at a path of ours, time for a load balancer: unless the file says otherwise.
        path = path if "path" in health.model_fields_set else HEALTH_PATH
        document = document if "document" in service.model_fields_set else ""
        drain = drain if "drain" in service.model_fields_set else PROXY_DRAIN
    return Service(
        name=name,
        pool=PoolName(service.pool),
        port=service.port,
        run=_run(service.run, base),
        versions={Version(text): version.instances for text, version in sorted(service.version.items())},
        role=role,
        health=Health(
            path=path,
            interval=health.interval,
            timeout=health.timeout,
            unhealthy_after=health.unhealthy_after,
            ready_within=health.ready_within,
        ),
        document=document or None,
        base_path=service.base_path,
        drain=drain,
        suspect_grace=service.suspect_grace,
        registrar=Registrar(service.registrar),
        floor=service.floor,
        guard=_stricter(service.guard),
        puppet_role=service.puppet_role,
        autoscale=_autoscale(service.autoscale) if service.autoscale is not None else None,
        rollout=rollout.settings(service.rollout),
        wishes={
            Version(text): Wish(weight=version.weight, matches=tuple(map(rollout.match, version.match)))
            for text, version in sorted(service.version.items())
            if version.weight is not None or version.match
        },
    )


def _autoscale(autoscale: shape.Autoscale) -> Autoscale:
    up, down = autoscale.up, autoscale.down
    return Autoscale(
        min=autoscale.min,
        max=autoscale.max,
        rps_per_instance=autoscale.rps_per_instance,
        in_flight_per_instance=autoscale.in_flight_per_instance,
        cpu=autoscale.cpu,
        load=autoscale.load,
        latency_p95=autoscale.latency_p95,
        errors=autoscale.errors,
        tolerance=autoscale.tolerance,
        up=Stride(window=up.window, max=up.max, per=up.per),
        down=Stride(window=down.window, max=down.max, per=down.per),
        no_data=NoData(up=WhenBlind(autoscale.no_data.up), down=WhenBlind(autoscale.no_data.down)),
    )


def _run(run: shape.Run, base: Path) -> RunSpec:
    return RunSpec(
        command=tuple(run.command),
        environment=dict(sorted(run.environment.items())),
        pip=tuple(run.pip),
        directory=None if run.directory is None else str(base / run.directory),
        restart_backoff=run.restart_backoff,
        restart_backoff_max=run.restart_backoff_max,
    )
