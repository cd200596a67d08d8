"""What new servers of a cloud fetch from the appliance that makes them: hfs itself, and Puppet's modules.

One listener for both, and for nothing else: every server of the cloud reaches it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.openstack.userdata import Download
from hfs_appliance.adapters.process import zipapp_path
from hfs_appliance.adapters.shelf import DIRECTORY, Shelf, stored
from hfs_appliance.agent.address import own_address
from hfs_appliance.config.spellings import Listen
from hfs_appliance.model.desired import CloudProvider, DesiredState
from hfs_appliance.ports.errors import PortError
from hfs_appliance.web.executable import PATH, PORT, build, open_executable
from hfs_appliance.web.listener import serve

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - asked about, not listened on


class CannotStart(Exception):
    """`hfs run` cannot begin; the words say why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What servers are told; None: it does not come from here."""

    download: Download | None = None
    shelf: Shelf | None = None


@asynccontextmanager
async def handing_out(desired: DesiredState, state: Path, listen: Listen | None) -> AsyncIterator[Supplies]:
    """Serve what servers have from here, where `listen` or else the file says. Errors: CannotStart."""
    settings = desired.cloud.openstack.executable
    elsewhere = Download(url=settings.url, sha256=settings.sha256) if settings.sha256 else None
    # From a source tree there is no file that could be served, so the image must have hfs.
    path = None if settings.in_image or elsewhere is not None else zipapp_path()
    if desired.cloud.provider is not CloudProvider.OPENSTACK or (path is None and not _has_modules(desired)):
        yield Supplies(download=elsewhere)
        return
    place = listen or settings.listen
    address, port = (place.address, place.port) if place is not None else ("", PORT)
    told = told_address(address or EVERYWHERE, desired, "[cloud.openstack.executable]")
    executable = await trio.to_thread.run_sync(open_executable, path) if path is not None else None
    shutdown = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            application = build(executable, partial(stored, state / DIRECTORY))
            try:
                port = await nursery.start(partial(serve, application, address or told, port, shutdown=shutdown))
            except PortError as error:
                words = f"{error.words}; set [cloud.openstack.executable] listen, or give --executable"
                raise CannotStart(f"serving hfs to servers: {words}") from error
            base = f"http://{told}:{port}"
            if settings.url and elsewhere is None:
                base = settings.url.removesuffix(PATH)
            ours = Download(url=settings.url or f"{base}{PATH}", sha256=executable.sha256) if executable else None
            yield Supplies(download=ours or elsewhere, shelf=Shelf(state / DIRECTORY, base))
            shutdown.set()
    finally:
        if executable is not None:
            executable.close()


def _has_modules(desired: DesiredState) -> bool:
    """Tell whether servers have modules from here."""
    stages = (pool.recipe.puppet for pool in desired.pools.values())
    return any(puppet is not None and puppet.is_served for puppet in stages)


def told_address(address: str, desired: DesiredState, table: str) -> str:
    """Give where others reach what listens at an address of this host. Errors: CannotStart."""
    if not ip_address(address).is_unspecified:
        return address
    try:
        return own_address(desired.registry.hosts)
    except OSError as error:
        raise CannotStart(f"{table}: no way to the registry, so no address of this host: {error}") from error
