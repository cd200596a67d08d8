"""Names and identifiers that everyone speaks, with their one closed grammar.

Every name that reaches nginx, a znode path or the cloud passed `is_name` at the border where it came in
(configuration, registration). Odd names are refused, never escaped.
"""

from __future__ import annotations

import re
from typing import Final, NewType

EnvironmentName = NewType("EnvironmentName", str)
ServiceName = NewType("ServiceName", str)
Version = NewType("Version", str)
PoolName = NewType("PoolName", str)
AvailabilityZone = NewType("AvailabilityZone", str)

ServerId = NewType("ServerId", str)
"""Our name of a server, `<pool>-<serial>`: never used twice in an environment, the idempotency key of its creation."""

CloudId = NewType("CloudId", str)
"""The cloud's name of a server: opaque to us."""

Nonce = NewType("Nonce", str)
"""Random token of one creation: tells our server apart from another one that carries the same ServerId."""

EnvironmentUuid = NewType("EnvironmentUuid", str)
"""Which fleet a server belongs to, whatever names say: 32 hexadecimal digits; empty on servers of an early hfs."""

NO_UUID: Final = EnvironmentUuid("")

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def is_name(text: str) -> bool:
    """Tell whether `text` may name a service, pool, environment or server."""
    return NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Tell whether `text` may name a version of a service."""
    return VERSION.fullmatch(text) is not None


def server_id(pool: PoolName, serial: int) -> ServerId:
    """Name the `serial`-th server ever made in this environment."""
    return ServerId(f"{pool}-{serial:04d}")


def serial_of(server: ServerId) -> int:
    """Give back the serial of a ServerId; 0 for a name that is not ours.

    Read anew each time: of 55,000 names a look into a cache of them would cost more, for it leaves the processor's.
    """
    tail = server[server.rfind("-") + 1 :]
    return int(tail) if tail.isascii() and tail.isdigit() else 0
