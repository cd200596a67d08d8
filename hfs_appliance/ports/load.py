"""LoadSource: what the proxy of this host has measured."""

from __future__ import annotations

from typing import Protocol

from hfs_appliance.model.load import Reading


class LoadSource(Protocol):
    """Counts requests by service and version as they end."""

    async def skip(self) -> None:
        """Begin to count now: what was before is nobody's. Errors: Transient."""
        ...

    async def read(self) -> Reading:
        """Give what ended since the last `read` or `skip`.

        Errors: Transient; what was to be counted then is in the next reading.
        """
        ...
