"""What the tests of the OpenStack adapter share."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.ports.cloud import ServerSpec
from sim.wire.openstack.whole import OpenStack
from tests.support.clouds import spec

ENVIRONMENT: Final = EnvironmentName("pitfalls")
ONE: Final = ServerId("small-0001")
TWO: Final = ServerId("small-0002")


def asked(server: ServerId = ONE) -> ServerSpec:
    """Ask for a server."""
    return spec(ENVIRONMENT, server)


def living(fake: OpenStack) -> list[str]:
    """Name the servers that there really are, by the cloud's own books."""
    return sorted(record.asked.name for record in fake.compute.servers.records.values() if not record.is_gone)


def sent(fake: OpenStack, method: str, tail: str) -> int:
    """Count the requests of a method whose path ends so."""
    return sum(found == method and path.endswith(tail) for found, path in fake.cloud.calls)
