"""Insurance: how many of those that are lost in a storm are replaced all the same.

In a storm over all, most of what is lost is thought to live. As many are replaced as could be taken away again within
one window of the destruction budget: enough for what has really died, and no second fleet beside the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.tally import InstanceTally


@dataclass(slots=True)
class Insurance:
    """What is left of it in one plan."""

    left: int

    def cover(self, have: InstanceTally, wanted: int, short: int) -> int:
        """Give how many of the instances that a version is short of may be added."""
        needed = max(0, min(short, wanted - have.capacity() - doubted(have)))
        covered = min(short - needed, self.left)
        self.left -= covered
        return needed + covered


def insurance(draft: Draft) -> Insurance | None:
    """Give what is left when what was added before is taken off; None: there is no storm over all."""
    if not draft.weather.is_over_all:
        return None
    left = draft.desired.guard.destroy_budget.tokens(draft.tally.total)
    for name in sorted(draft.needs.restless & draft.desired.services.keys()):
        for version, wanted in draft.desired.services[name].versions.items():
            have = draft.tally.of(name, version)
            lost = doubted(have)
            left -= max(0, min(lost, have.capacity() + lost - wanted))
    return Insurance(left=max(0, left))


def doubted(have: InstanceTally) -> int:
    """Count those of a version that are lost without the cloud's word."""
    return len(have.missing) + len(have.silent)
