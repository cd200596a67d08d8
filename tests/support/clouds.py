"""Servers for tests: what is asked for, and waiting for what a cloud shall show. Deadlines are the tests'."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import trio

from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, EnvironmentUuid, Nonce, PoolName, ServerId
from hfs_appliance.model.observed import CloudServer, CloudStatus
from hfs_appliance.ports.cloud import Cloud, ServerSpec
from hfs_appliance.ports.errors import Conflict, Missing

IDLE_AGENT: Final = ("/bin/sh", "-c", "echo here; exec sleep 600")
"""In place of hfs itself, for tests of the provider alone: a program that runs until it is ended."""


OWN_NONCE: Final = Nonce(f"{os.getpid():016x}")
"""Tells the servers of this test process from those of others that run at the same time."""


UUID: Final = EnvironmentUuid("0123456789abcdef" * 2)


def spec(environment: EnvironmentName, server: str, nonce: str = OWN_NONCE) -> ServerSpec:
    """Ask for a server."""
    return ServerSpec(
        environment=environment,
        uuid=UUID,
        server=ServerId(server),
        nonce=Nonce(nonce),
        pool=PoolName("small"),
        az=AvailabilityZone("az1"),
        registry_hosts=("127.0.0.1:1",),
        session_timeout_ms=2000,
    )


async def wait_status(cloud: Cloud, server: ServerId, status: CloudStatus) -> CloudServer:
    """Wait until a server is in `status`."""
    while True:
        found = await cloud.server(server)
        if found.status is status:
            return found
        await trio.sleep(0.01)


async def wait_gone(cloud: Cloud, server: ServerId) -> None:
    """Wait until the cloud has no such server."""
    while True:
        try:
            await cloud.server(server)
        except Missing:
            return
        await trio.sleep(0.01)


async def kill_all(cloud: Cloud) -> None:
    """Leave no process of a cloud that can kill behind."""
    for server in (await cloud.servers()).servers:
        await cloud.kill(server)


async def delete_all(cloud: Cloud) -> None:
    """Leave no server behind."""
    while servers := (await cloud.servers()).servers:
        for server, found in servers.items():
            if found.status is not CloudStatus.DELETING:
                with suppress(Missing, Conflict):
                    await cloud.delete(server)
        await trio.sleep(0.2)
