"""Tunables: times and numbers of the runtime that no operator sets. A simulation perturbs them; they must not matter
for what is right, only for how soon it is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hfs_appliance.model.instants import MINUTE, Duration, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunables:
    """The values in production."""

    longest_wait: Duration = seconds(15)
    """Freshness passes by time alone: a world is looked at this often even when nothing marks it."""
    actions_at_once: int = 32
    """Actions carried out at the same time."""
    action_within: Duration = seconds(30)
    cloud_within: Duration = seconds(20)
    """One call to the cloud, of the action's time."""
    pause_after_failure: Duration = seconds(1)
    """A lane stays taken for this long after a failure, so that a plan repeated at once does not spin."""
    list_within: Duration = seconds(10)
    """One list of the cloud's servers."""
    resync_every: Duration = MINUTE
    """How often the registry's names are listed, in case a watch missed something."""
    read_within: Duration = seconds(20)
    read_again_after: Duration = seconds(0.2)
    reconcile_apart: Duration = seconds(0.02)
    """From one look at the world to the next. The first of what happens is seen at once; in a storm it happens by the
    thousand, and what comes this soon after a look is decided on together: else the looks alone would fill a core."""
    looks_at_once: int = 32
    """So many looks may follow each other that closely; then the more are restless the further apart they are."""


PRODUCTION: Final = Tunables()
_MARGIN: Final = seconds(5)


def patient(call_within: Duration, tunables: Tunables = PRODUCTION) -> Tunables:
    """Give an action the time for two calls, a look and a mutation, of a cloud whose calls may take so long.

    An action that ends before its call does knows less than the adapter: whether the request was sent at all.
    """
    within = Duration(max(tunables.cloud_within, 2 * call_within + _MARGIN))
    return replace(tunables, cloud_within=within, action_within=Duration(within + 2 * _MARGIN))
