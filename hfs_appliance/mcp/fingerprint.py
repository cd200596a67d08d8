"""The fingerprint of a planned change: what an operator has seen is what is confirmed, nothing else.

It names the generation that is changed, what changes in the desired state, and how many servers of what leave because
of it. What happens by itself meanwhile (a server dies, the pool is filled) does not change it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Final

from hfs_appliance.model.forecast import Step
from hfs_appliance.model.plan import Cause, Delete, Drain
from hfs_appliance.model.reports import Change

DIGITS: Final = 12
_ASKED_FOR: Final = frozenset({Cause.SCALE_IN, Cause.RETIRE_SERVICE, Cause.RETIRE_VERSION, Cause.POOL_SURPLUS})
"""Causes that follow from the desired state, not from what breaks."""


def fingerprint(generation: int, changes: Iterable[Change], steps: Iterable[Step]) -> str:
    """Give hexadecimal digits that change when the generation, the changes or what leaves by them does."""
    lines = [f"generation {generation}"]
    lines += sorted(f"{change.path}\t{change.before}\t{change.after}" for change in changes)
    lines += [f"{' '.join(what)}: {count}" for what, count in sorted(_leaving(steps).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def _leaving(steps: Iterable[Step]) -> Counter[tuple[str, str, str]]:
    """Count the servers that leave, each once: a drained one is deleted, too."""
    leavers: dict[str, tuple[str, str, str]] = {}
    for step in steps:
        if step.verb in {Drain.verb, Delete.verb} and step.cause in _ASKED_FOR:
            leavers.setdefault(step.server, (step.pool, step.service or "", step.version or ""))
    return Counter(leavers.values())
