"""Prober: asks instances themselves, over the way that their clients take."""

from __future__ import annotations

from typing import Protocol

from hfs_appliance.model.instants import Duration
from hfs_appliance.model.probes import Answer, Target


class Prober(Protocol):
    """Never raises for what it finds: that nothing is there is an answer, too."""

    async def probe(self, target: Target, *, within: Duration) -> Answer:
        """Ask once, over a new connection; at the latest after `within` there is an answer."""
        ...
