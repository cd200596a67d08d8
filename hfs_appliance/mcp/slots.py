"""Slots: which instances share theirs with another one, and are to give way. Each slot of a version has one owner.

Two have one slot when the registry has forgotten who had it: it was given away, and then its owner came back with it
(Z15); or when one that was lost is back after all. What an instance was told stays true of it as long as it runs, so it
cannot be given another slot: it is replaced, the new one first, like anything else that must go.
"""

from __future__ import annotations

from collections.abc import Mapping

from hfs_appliance.mcp.tally import Group, InstanceTally, Standing, slot_of
from hfs_appliance.model.ids import ServerId, serial_of


def twins(have: InstanceTally) -> Mapping[ServerId, Standing]:
    """Give the instances that serve or start in a slot that another one has, all but its first owner.

    Serving comes before starting, starting before doubtful, and an older server before a younger one. Costs a look at
    each instance of the version.
    """
    found: dict[ServerId, Standing] = {}
    owned: set[int] = set()
    for group in (have.serving, have.starting, have.wavering, have.missing):
        for server in sorted(group, key=_by_age):
            slot = slot_of(group[server])
            if slot in owned and _counts(have, server):
                found[server] = group[server]
            elif slot is not None:
                owned.add(slot)
    return found


def to_replace(have: InstanceTally) -> int:
    """Count the twins in whose place others are needed; as long as none was adopted, one too many is there for each."""
    return len(twins(have)) if have.adopted else 0


def _by_age(server: ServerId) -> tuple[int, ServerId]:
    return serial_of(server), server


def _counts(have: InstanceTally, server: ServerId) -> bool:
    """Tell whether somebody counts on it; whoever is doubtful is replaced, or comes back and is judged then."""
    return server in have.serving or server in have.starting


def choose(have: InstanceTally, wanted: int, extra: int) -> list[Standing]:
    """Choose who leaves of those that are too many: twins first, then those that do not serve, then the highest slots.

    Never below the count by our own hand: of the serving ones only what is above it may go. And what comes in a twin's
    place is not too many because the twin is still there.
    """
    alike = twins(have)
    starting, serving = _highest_first(have.starting), _highest_first(have.serving)
    spare = max(0, len(serving) - wanted)
    leaving = [one for one in starting if one.facts.server in alike]
    leaving += [one for one in serving if one.facts.server in alike][:spare]
    spare -= sum(one.facts.server in have.serving for one in leaving)
    others = [one for one in starting if one.facts.server not in alike]
    others += [one for one in serving if one.facts.server not in alike][:spare]
    return (leaving + others[: max(0, extra - len(alike))])[:extra]


def by_slot(standing: Standing) -> tuple[int, ServerId]:
    """Order by slot; those of which nobody knows one are the last to leave."""
    slot = slot_of(standing)
    return (slot if slot is not None else -1, standing.facts.server)


def _highest_first(group: Group) -> list[Standing]:
    return sorted(group.values(), key=by_slot, reverse=True)
