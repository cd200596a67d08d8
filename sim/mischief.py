"""Mischief by seed: which sites are on in a run, when they strike, and tunables that are far from usual.

A site is on with p = 0.25 and then strikes with p = 0.25 at each chance (FoundationDB's figures), a part fails far less
often: its supervisor gives up after ten failures in a minute.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from hfs_appliance.model.instants import MILLISECOND, Duration
from hfs_appliance.ports.mischief import Site
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables
from sim.streams import Stream, Streams

_ON: Final = 250
_STRIKES: Final = 250
_SELDOM: Final = {Site.PART_FAILS: 5}
_FACTORS: Final = ((1, 10), (1, 3), (2, 1))
"""Times become so much of themselves."""
_DEADLINE_FACTORS: Final = ((1, 2), (2, 1))
"""Deadlines (`…_within`) stay longer than what they wait for usually takes, else nothing works."""


class SimMischief:
    """Implements the port's Mischief for one run, over all lives of the control plane."""

    def __init__(self, stream: Stream) -> None:
        self._stream: Final = stream
        self._sites: Final = {site: stream.chance(_ON) for site in Site}
        self._is_calm = False
        self.struck: Final[dict[Site, int]] = {}

    def calm(self) -> None:
        """Let nothing strike any more: what must hold in the end is judged without mischief."""
        self._is_calm = True

    def strikes(self, site: Site) -> bool:
        """Draw whether it happens."""
        if self._is_calm or not self._sites[site] or not self._stream.chance(_SELDOM.get(site, _STRIKES)):
            return False
        self.struck[site] = self.struck.get(site, 0) + 1
        return True


def perturbed(streams: Streams) -> Tunables:
    """Draw tunables: each with p = 0.25 far from what it is in production."""
    stream = streams.named("tunables")
    tunables = PRODUCTION
    for field in fields(Tunables):
        value = getattr(tunables, field.name)
        factors = _DEADLINE_FACTORS if field.name.endswith("_within") else _FACTORS
        part, whole = stream.choice(factors)
        if not stream.chance(_ON):
            continue
        is_count = field.name.endswith("_at_once")
        far: Any = 1 if is_count else Duration(max(10 * MILLISECOND, value * part // whole))
        tunables = replace(tunables, **{field.name: far})
    return tunables
