"""Identity: is this registry the one of that fleet? Where they do not agree, policy only observes.

An emptied registry looks like an environment that has yet to be built, one rolled back like a fleet that has grown by
itself, and the list of a wrong project like a fleet that was deleted. Each has cost somebody all servers: nodepool on a
wiped ZooKeeper, Reddit's autoscaler on a half-migrated one. What tells them apart is written on the servers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hfs_appliance.mcp.tally import Standing, Tally
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.ids import NO_UUID, EnvironmentUuid, ServerId, serial_of
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.observed import CloudStatus, CloudView, RegistryView
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.world import World

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the anchor, the servers and the cloud say together."""

    doubt: Hold | None = None
    """Why nothing may be done."""
    is_new: bool = False
    """There is no anchor because there has never been anything: it is to be written first."""

    @property
    def is_certain(self) -> bool:
        """Whether registry and fleet belong together."""
        return self.doubt is None and not self.is_new


def identity(world: World, tally: Tally, *, is_cloud_known: bool) -> Identity:
    """Compare registry and fleet. Costs a look at the servers only where there is no anchor, or something is odd."""
    assert world.registry is not None
    anchor = world.registry.value.anchor
    if anchor is None:
        return _without_anchor(world, is_cloud_known=is_cloud_known)
    doubt = _other_project(world, anchor) or _foreign(tally, anchor) or _older(world, tally) or _behind(world)
    return Identity(doubt=doubt)


def _without_anchor(world: World, *, is_cloud_known: bool) -> Identity:
    assert world.registry is not None
    if world.cloud is None or not is_cloud_known:
        words = "the registry has no anchor yet, and the cloud has not said what there is: nothing is done"
        return Identity(doubt=_hold("unanchored", words))
    records, servers = world.registry.value.records, world.cloud.value.servers
    strays = sorted(server for server in servers if server not in records)
    marked = sorted(server for server, found in servers.items() if found.uuid)
    # Servers that an hfs without anchors has made are no sign of anything, as long as they are all recorded.
    if not marked and not strays:
        return Identity(is_new=True)
    words = (
        f"the registry has no anchor, but the cloud lists {len(servers)} servers of this environment, "
        f"{len(strays)} of which have no record ({_some(strays or marked)}): it was emptied, or it is not theirs"
    )
    return Identity(doubt=_hold("registry-wiped", words, len(servers)))


def _other_project(world: World, anchor: Anchor) -> Hold | None:
    project = world.cloud.value.project if world.cloud is not None else ""
    if not project or not anchor.project or project == anchor.project:
        return None
    words = f"the cloud answers for project {project!r}, but the fleet lives in {anchor.project!r}: wrong credentials?"
    return _hold("project-mismatch", words)


def _foreign(tally: Tally, anchor: Anchor) -> Hold | None:
    unknown = [standing for standing in tally.foreign.values() if _uuid(standing) not in anchor.foreign]
    if not unknown:
        return None
    uuids = ", ".join(sorted({_uuid(standing)[:8] for standing in unknown}))
    words = (
        f"{len(unknown)} servers carry this environment's name and another uuid ({uuids}, not {anchor.uuid[:8]}): "
        f"{_names(unknown)}; two environments of one name, or the registry of another one"
    )
    return _hold("uuid-mismatch", words, len(unknown))


def _older(world: World, tally: Tally) -> Hold | None:
    next_serial = world.ledger.next_serial
    ahead = [
        standing
        for server, standing in tally.ahead.items()
        if standing.facts.cloud is not None and serial_of(server) >= next_serial
    ]
    if not ahead:
        return None
    words = (
        f"{len(ahead)} servers were made after what the registry remembers (it would make number {next_serial} next, "
        f"and there are {_names(ahead)}): it was rolled back"
    )
    return _hold("registry-older", words, len(ahead))


def _behind(world: World) -> Hold | None:
    if not world.is_registry_behind:
        return None
    return _hold("registry-older", "the registry does not hold any more what hfs wrote there last: it was rolled back")


def _uuid(standing: Standing) -> str:
    return standing.facts.cloud.uuid if standing.facts.cloud is not None else ""


def _names(standings: Iterable[Standing]) -> str:
    return _some(sorted(standing.facts.server for standing in standings))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _hold(rule: str, words: str, amount: int = 0) -> Hold:
    words = f"{words}; nothing is created, claimed or destroyed"
    return Hold(scope="environment", rule=rule, words=words, amount=amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What the anchor and the ledger are to say when an operator adopts what is there."""

    uuid: EnvironmentUuid | None
    """None: no server carries one yet."""
    foreign: tuple[EnvironmentUuid, ...]
    next_serial: int


def adoption(anchor: Anchor | None, cloud: CloudView, ledger: Ledger) -> Adoption:
    """Make registry and fleet agree: the fleet keeps its uuid, the registry learns it.

    Of several uuids the anchor's own counts, then the most frequent one; the others are declared foreign.
    """
    carried = Counter(found.uuid for found in cloud.servers.values() if found.uuid)
    uuid = anchor.uuid if anchor is not None else None
    if carried and (uuid is None or uuid not in carried):
        uuid = min(carried, key=lambda candidate: (-carried[candidate], candidate))
    known = anchor.foreign if anchor is not None else ()
    foreign = tuple(sorted({*known, *carried} - {uuid}))
    ours = (server for server, found in cloud.servers.items() if found.uuid not in foreign)
    last = max(map(serial_of, ours), default=0)
    return Adoption(uuid=uuid, foreign=foreign, next_serial=max(ledger.next_serial, last + 1))


def strays(view: RegistryView, cloud: CloudView, uuid: EnvironmentUuid | None) -> list[ServerId]:
    """Name the servers of the fleet that have no record."""
    return sorted(
        server
        for server, found in cloud.servers.items()
        if server not in view.records and found.uuid in (NO_UUID, uuid) and found.status is not CloudStatus.DELETING
    )
