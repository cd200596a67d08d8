"""Facts of the registry's entries: what its transactions wrote, read as a bystander reads it.

The readers here are not the product's: only the few fields that checkers need, from JSON. What cannot be read is told
as gone, as nobody can use it. The desired state alone is read by the product's own rooms: nothing else knows TOML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hfs_appliance.config import ConfigError
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import Nonce, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.plan import Cause
from hfs_appliance.registry.formats import FormatError, read_desired
from hfs_appliance.runtime.desired import effective
from sim.truth import Fact, RegistryReplaced, Truth
from sim.wire.zookeeper.effects import Effect, NodeCreated, NodeDeleted, ValueSet
from sim.wire.zookeeper.tree import Tree


class Author(StrEnum):
    """By whose hand an entry changed."""

    PLANE = "the control plane"
    AGENT = "an agent"
    HAND = "somebody's hand"
    EXPIRY = "the end of a session"
    RESTORE = "a restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordWritten(Fact):
    """The control plane's record of a server."""

    author: Author
    server: ServerId
    nonce: Nonce
    pool: PoolName
    service: ServiceName | None
    version: Version | None
    slot: int | None
    is_built: bool
    is_ready: bool
    has_failed: bool
    """Its failure is counted: whatever it is yet, nobody waits for it."""
    is_draining: bool
    is_deleting: bool
    leave_cause: str
    is_renewal: bool = False
    """It is made in the place of one that is still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordGone(Fact):
    """A record was removed."""

    author: Author
    server: ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGiven(Fact):
    """The assignment of a server was written."""

    author: Author
    server: ServerId
    nonce: Nonce
    service: ServiceName
    version: Version
    slot: int
    is_draining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTaken(Fact):
    """The assignment of a server was removed."""

    author: Author
    server: ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Fact):
    """An instance's registration was written."""

    author: Author
    service: ServiceName
    instance: ServerId
    nonce: Nonce
    version: Version
    slot: int | None
    address: str
    port: int
    is_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered(Fact):
    """A registration is gone."""

    author: Author
    service: ServiceName
    instance: ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced(Fact):
    """A warm server has its place in the pool."""

    author: Author
    server: ServerId
    nonce: Nonce


@dataclass(frozen=True, slots=True, kw_only=True)
class Unannounced(Fact):
    """A place in the pool is gone."""

    author: Author
    server: ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredStored(Fact):
    """The desired state was written."""

    author: Author
    generation: int
    desired: DesiredState | None
    """None: it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWritten(Fact):
    """The ledger was written."""

    author: Author
    next_serial: int
    sizes: Mapping[ServiceName, int] = field(default_factory=dict)
    """Instances of the services that scale themselves."""
    stocks: Mapping[PoolName, int] = field(default_factory=dict)
    """Warm servers of the pools that follow what is claimed from them."""
    tokens: frozenset[ServerId] = frozenset()
    """Servers that have been taken away from the destruction budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficWritten(Fact):
    """How the requests of a service are to be divided."""

    author: Author
    service: ServiceName
    epoch: int
    weights: Mapping[Version, int]
    """Per mille, by version; who is not named gets nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficGone(Fact):
    """The requests of a service are to go evenly to all its instances."""

    author: Author
    service: ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutWritten(Fact):
    """How far the rollout of a service has got."""

    author: Author
    service: ServiceName
    number: int
    phase: str
    strategy: str
    before: Mapping[Version, int]
    target: Mapping[Version, int]
    total: int
    is_reverting: bool

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is in progress."""
        return self.phase == "done"

    @property
    def kept(self) -> Mapping[Version, int]:
        """Instances of the versions that it stands between: the old ones follow the total that is wanted."""
        if self.is_over:
            return {}
        now = sum(self.target.values())
        old = {v: -(-n * now // self.total) if self.total else n for v, n in self.before.items()}
        return {v: max(self.target.get(v, 0), self.before.get(v, 0), old.get(v, 0)) for v in {**self.target, **old}}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGone(Fact):
    """A service has no rollout any more."""

    author: Author
    service: ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyTold(Fact):
    """A proxy follows these traffic epochs."""

    author: Author
    appliance: str
    epochs: Mapping[ServiceName, int]
    place: Place | None = None
    """Where a load balancer reaches it; None: none is to."""
    is_serving: bool = True
    """Whether it says that it serves what it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyGone(Fact):
    """Nothing is heard of a proxy any more."""

    author: Author
    appliance: str


_KINDS: Final[Mapping[tuple[str, int], type[Fact]]] = {
    ("servers", 2): RecordWritten,
    ("assignments", 2): RoleGiven,
    ("pool", 2): Announced,
    ("services", 3): Registered,
    ("desired", 1): DesiredStored,
    ("ledger", 1): LedgerWritten,
    ("traffic", 2): TrafficWritten,
    ("rollouts", 2): RolloutWritten,
    ("proxies", 2): ProxyTold,
}
"""By room and depth."""


def tell(truth: Truth, effects: Iterable[Effect], author: Author) -> None:
    """Tell what a transaction did to the entries that mean something."""
    for effect in effects:
        if isinstance(effect, NodeCreated | ValueSet):
            fact = _written(effect.path, effect.value or b"", author, truth)
        elif isinstance(effect, NodeDeleted):
            fact = _gone(effect.path, author)
        else:
            continue
        if fact is not None:
            truth.tell(fact)


def tell_replaced(truth: Truth, before: Tree, after: Tree) -> None:
    """Tell that the registry's content is another one."""
    truth.tell(RegistryReplaced())
    old = {path: znode.value for path, znode in before.znodes.items()}
    new = {path: znode.value for path, znode in after.znodes.items()}
    tell(truth, _differences(old, new), Author.RESTORE)


def _differences(old: Mapping[str, bytes | None], new: Mapping[str, bytes | None]) -> Iterator[Effect]:
    yield from (NodeDeleted(path) for path in sorted(old.keys() - new.keys()))
    yield from (ValueSet(path, new[path]) for path in sorted(new) if path not in old or old[path] != new[path])


def _written(path: str, value: bytes, author: Author, truth: Truth) -> Fact | None:
    room = path.split("/")[3:]
    kind = _KINDS.get((room[0], len(room))) if room else None
    if kind is None or not truth.wants(kind):
        return None
    if kind is DesiredStored:
        return _desired(value, author)
    try:
        return _meaning(room, json.loads(value), author)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _gone(path, author)


def _meaning(room: list[str], entry: Mapping[str, Any], author: Author) -> Fact | None:
    match room:
        case ["servers", _]:
            return _record(entry, author)
        case ["assignments", _]:
            return _role(entry, author)
        case ["pool", server]:
            return Announced(author=author, server=ServerId(server), nonce=Nonce(str(entry["nonce"])))
        case ["services", service, instance]:
            return _registration(ServiceName(service), ServerId(instance), entry, author)
        case ["traffic" | "rollouts" | "proxies", name]:
            return _upgrade(room[0], name, entry, author)
        case _:
            sizes = {ServiceName(name): int(size["total"]) for name, size in entry.get("sizes", {}).items()}
            return LedgerWritten(
                author=author,
                next_serial=int(entry["next_serial"]),
                sizes=sizes,
                stocks={PoolName(name): int(rush["size"]) for name, rush in entry.get("rushes", {}).items()},
                tokens=frozenset(map(ServerId, entry.get("tokens", {}))),
            )


def _gone(path: str, author: Author) -> Fact | None:
    match path.split("/")[3:]:
        case ["servers", server]:
            return RecordGone(author=author, server=ServerId(server))
        case ["assignments", server]:
            return RoleTaken(author=author, server=ServerId(server))
        case ["pool", server]:
            return Unannounced(author=author, server=ServerId(server))
        case ["services", service, instance]:
            return Unregistered(author=author, service=ServiceName(service), instance=ServerId(instance))
        case ["traffic", service]:
            return TrafficGone(author=author, service=ServiceName(service))
        case ["rollouts", service]:
            return RolloutGone(author=author, service=ServiceName(service))
        case ["proxies", appliance]:
            return ProxyGone(author=author, appliance=appliance)
        case _:
            return None


def _upgrade(room: str, name: str, entry: Mapping[str, Any], author: Author) -> Fact:
    if room == "proxies":
        epochs = {ServiceName(service): int(epoch) for service, epoch in entry["epochs"].items()}
        place = Place(str(entry["address"]), int(entry["port"])) if entry.get("address") else None
        is_serving = entry.get("state", "serves") == "serves"
        return ProxyTold(author=author, appliance=name, epochs=epochs, place=place, is_serving=is_serving)
    if room == "traffic":
        weights = {Version(share["version"]): int(share["weight"]) for share in entry["shares"]}
        return TrafficWritten(author=author, service=ServiceName(name), epoch=int(entry["epoch"]), weights=weights)
    before, target = ({Version(v): int(n) for v, n in entry[key].items()} for key in ("before", "target"))
    return RolloutWritten(
        author=author,
        service=ServiceName(name),
        number=int(entry["number"]),
        phase=str(entry["phase"]),
        strategy=str(entry["strategy"]),
        before=before,
        target=target,
        total=int(entry["total"]),
        is_reverting=bool(entry["is_reverting"]),
    )


def _record(entry: Mapping[str, Any], author: Author) -> RecordWritten:
    return RecordWritten(
        author=author,
        server=entry["server"],
        nonce=entry["nonce"],
        pool=entry["pool"],
        service=entry.get("service"),
        version=entry.get("version"),
        slot=entry.get("slot"),
        is_built=entry.get("built_at") is not None,
        is_ready=entry.get("ready_at") is not None,
        has_failed=entry.get("failed_at") is not None,
        is_draining=entry.get("drain_at") is not None,
        is_deleting=entry.get("delete_at") is not None,
        leave_cause=entry.get("leave_cause", ""),
        is_renewal=entry.get("cause") == Cause.RECYCLE,
    )


def _role(entry: Mapping[str, Any], author: Author) -> RoleGiven:
    return RoleGiven(
        author=author,
        server=entry["server"],
        nonce=entry["nonce"],
        service=entry["service"],
        version=entry["version"],
        slot=entry["slot"],
        is_draining=entry.get("drain_at") is not None,
    )


def _registration(service: ServiceName, instance: ServerId, entry: Mapping[str, Any], author: Author) -> Registered:
    payload = entry.get("payload") or {}
    return Registered(
        author=author,
        service=service,
        instance=instance,
        nonce=Nonce(str(payload.get("nonce", ""))),
        version=Version(str(payload.get("version", ""))),
        slot=payload.get("slot"),
        address=str(entry.get("address", "")),
        port=int(entry.get("port", 0)),
        is_up=payload.get("status", "up") == "up",
    )


def _desired(value: bytes, author: Author) -> DesiredStored:
    try:
        stored = read_desired(value)
        return DesiredStored(author=author, generation=stored.generation, desired=effective(stored))
    except (FormatError, ConfigError):
        return DesiredStored(author=author, generation=0, desired=None)
