"""The fingerprint of a planned change: what an operator has seen is what is confirmed, nothing else.

It names the generation that is changed, what changes in the desired state, and how many instances are there that nobody
wants any more then. What happens by itself meanwhile (a warm server dies, the pool is filled, an instance starts) does
not change it, nor does how far the forecast got.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.plan import VersionCount
from hfs_appliance.model.reports import Change

DIGITS: Final = 12
Counts = Mapping[ServiceName, Mapping[Version, VersionCount]]


def fingerprint(generation: int, changes: Iterable[Change], counts: Counts, wanted: DesiredState) -> str:
    """Give hexadecimal digits that change when the generation, the changes or what leaves by them does."""
    lines = [f"generation {generation}"]
    lines += sorted(f"{change.path}\t{change.before}\t{change.after}" for change in changes)
    lines += _leaving(counts, wanted)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def _leaving(counts: Counts, wanted: DesiredState) -> Iterator[str]:
    """Tell how many instances are too many, whatever phase they are in; what scales itself has its own number."""
    for name, versions in sorted(counts.items()):
        service = wanted.services.get(name)
        for version, count in sorted(versions.items()):
            there = count.serving + count.starting + count.suspect
            stays = service.versions.get(version, 0) if service is not None else 0
            if service is not None and service.autoscale is not None and stays:
                continue
            if there > stays:
                yield f"{name} {version}: {there - stays}"
