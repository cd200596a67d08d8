"""How soon after one look at the world the next may be: at once as a rule, less often in a storm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hfs_appliance.model.instants import SECOND, Duration
from hfs_appliance.model.plan import Phase
from hfs_appliance.runtime.tunables import Tunables

RESTLESS_IN_A_SECOND: Final = 4_000
"""So many servers that neither serve nor wait are looked at in a second. When a zone of 3,400 was dark, ten looks a
second took 8 ms each, and each found three servers that had changed."""
AT_REST: Final = frozenset({Phase.SERVING, Phase.WARM})


class Looks:
    """The looks of one reconcile loop, as a leaky bucket (the generic cell rate algorithm, ITU-T I.371).

    What happens alone is seen at once, and so is what follows from it. When thousands of servers go or come, what
    happens within a second is decided on together, at most.
    """

    def __init__(self, tunables: Tunables) -> None:
        self._apart: Final = tunables.reconcile_apart
        self._at_once: Final = tunables.looks_at_once
        self._paid_until = 0
        """When all looks until now would have been over, had each taken its share of time."""

    def apart(self, now: int, phases: Mapping[Phase, int]) -> Duration:
        """Tell how long after a look at `now` (ns of any clock that only rises) the next may be, by what it found."""
        restless = sum(count for phase, count in phases.items() if phase not in AT_REST)
        share = max(self._apart, min(SECOND, restless * SECOND // RESTLESS_IN_A_SECOND))
        self._paid_until = max(self._paid_until, now) + share
        return Duration(max(self._apart, self._paid_until - self._at_once * share - now))
