"""Proxy and SpecSource: what stands at the one endpoint, and where documents come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hfs_appliance.proxy.table import RouteTable


class Proxy(Protocol):
    """The reverse proxy on this host. Errors of all calls: Transient, Rejected."""

    async def publish(self, table: RouteTable) -> None:
        """Serve `table` from now on, all of it or nothing; returns when new connections see it.

        Errors: Rejected when the proxy refuses the configuration (its words, place included); the former one stays.
        It may be cancelled at any await, and called again.
        """
        ...

    async def publish_files(self, files: Mapping[str, bytes]) -> None:
        """Replace static files below the endpoint's root by name (`swagger.json`), each one atomically."""
        ...

    async def ensure_running(self) -> bool:
        """Start the proxy with its last good configuration if it does not run; tell whether it had to."""
        ...

    async def wait_dead(self) -> None:
        """Wait until the running proxy has died."""
        ...

    async def stop(self) -> None:
        """Let open requests end and stop the proxy, within a bounded time."""
        ...


class SpecSource(Protocol):
    """Where the services' documents come from."""

    async def fetch(self, url: str) -> bytes:
        """Read a document: bounded size and time, no redirects. Errors: Transient, Rejected, Missing."""
        ...
