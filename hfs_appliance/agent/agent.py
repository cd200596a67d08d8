"""The life of a server, as its agent leads it.

    updates → configuration → pool → (role taken) → instance → (leaving) → drain → stop → (role removed) → end

Every stage may be cut off by kill -9 and is taken up again by the next agent: `Site` remembers what was done. An
ordered end (cancellation) takes the registration back first; a crash leaves service and registration as they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import trio

from hfs_appliance.adapters.presence import Presence
from hfs_appliance.agent.build import build
from hfs_appliance.agent.fitness import keep_asking
from hfs_appliance.agent.instance import Instance
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.meter import Meter
from hfs_appliance.agent.role import Role
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.instants import to_seconds
from hfs_appliance.model.observed import PoolEntry, Trouble
from hfs_appliance.ports.clock import Clock, Entropy
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry import formats
from hfs_appliance.registry.paths import Layout


async def run_agent(identity: Identity, directory: Path, registry: Registry, clock: Clock, entropy: Entropy) -> None:
    """Lead the server's life; returns when its work is done for good (its role was removed)."""
    log = Log(clock)
    site = Site(directory, identity)
    role = Role(registry, site, log)
    log.say(f"agent of {identity.server} at {identity.address}")
    instance: Instance | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(role.follow)
            if not site.is_built:
                await _build(site, registry, clock, log)
            if not role.taken.is_set():
                await _wait_in_pool(site, role, registry, log)
            nursery.start_soon(Meter(site, clock, log).run)
            instance = Instance(site, role.assignment, registry, clock, entropy, log)
            await _carry_out(role, instance)
            nursery.cancel_scope.cancel()
    except* trio.Cancelled:
        # Only cancellation from outside comes this far: an error of ours passes by, and leaves the instance in traffic.
        if instance is not None:
            with trio.CancelScope(shield=True):
                await instance.stop()
        raise


async def _build(site: Site, registry: Registry, clock: Clock, log: Log) -> None:
    """Carry out the stages, and say in the registry what keeps them from ending."""
    me = site.identity
    trouble = Presence(registry, Layout(me.environment).trouble(me.server), log.say)

    def complain(error: StepError | None) -> None:
        found = Trouble(server=me.server, nonce=me.nonce, words=str(error), report=error.report) if error else None
        trouble.want(formats.write(found) if found is not None else None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trouble.keep)
        await build(site, clock, log, complain)
        await trouble.withdraw()
        nursery.cancel_scope.cancel()


async def _wait_in_pool(site: Site, role: Role, registry: Registry, log: Log) -> None:
    """Offer the server until it has a role."""
    me = site.identity
    entry = PoolEntry(server=me.server, nonce=me.nonce, pool=me.pool, address=me.address, built=site.built())
    offer = Presence(registry, Layout(me.environment).pool_entry(me.server), log.say)
    asking = trio.CancelScope()  # ends before the offer is withdrawn: nothing may put it back

    async def ask_on() -> None:
        with asking:
            await keep_asking(site, log, lambda unfit: offer.want(formats.write(replace(entry, unfit=unfit))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(offer.keep)
        offer.want(formats.write(entry))
        nursery.start_soon(ask_on)
        log.say(f"built; waiting in pool {me.pool}")
        await role.taken.wait()
        asking.cancel()
        log.say(f"role taken: {role.assignment.service} {role.assignment.version}, slot {role.assignment.slot}")
        await offer.withdraw()
        nursery.cancel_scope.cancel()


async def _carry_out(role: Role, instance: Instance) -> None:
    """Run the instance until it must leave, let it drain, stop it, and stay until the role is removed."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(instance.run)
        if not role.leaving.is_set():  # else it drains before its first step: nothing is started any more
            await role.leaving.wait()
        if not role.removed.is_set():
            instance.drain()
            with trio.move_on_after(to_seconds(role.assignment.drain)):
                await role.removed.wait()
        nursery.cancel_scope.cancel()
    await instance.stop()
    await role.removed.wait()
