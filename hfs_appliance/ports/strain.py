"""StrainSource: asks agents how busy their servers are."""

from __future__ import annotations

from typing import Protocol

from hfs_appliance.model.instants import Duration
from hfs_appliance.model.strain import Strain


class StrainSource(Protocol):
    """Never raises for what it finds: an agent that does not answer is one of which nothing is known."""

    async def ask(self, address: str, *, within: Duration) -> Strain | None:
        """Ask one agent; at the latest after `within` there is an answer, or None."""
        ...
