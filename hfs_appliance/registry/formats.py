"""Content of znodes <-> model values: our own records as JSON of their dataclasses, strictly read.

Every reader raises `FormatError` with words and never anything else: a broken entry is one entry's trouble.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError

from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.autoscale import Size
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.leadership import Candidate, Tenure
from hfs_appliance.model.ledger import Ledger, Rush, Setback, Storm, Token, Trial
from hfs_appliance.model.observed import PoolEntry, ServerRecord, Trouble
from hfs_appliance.model.orders import Orders
from hfs_appliance.model.rollout import Rollout
from hfs_appliance.model.stored import StoredDesired
from hfs_appliance.model.traffic import ProxyServes, Traffic, oddity

T = TypeVar("T")
A = TypeVar("A", bound=str)
B = TypeVar("B", bound=str)


class FormatError(ValueError):
    """An entry's content is not what its place promises; the words say what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LedgerEntry:
    """The ledger as JSON can say it: objects by service, then by version; by pool, then by zone."""

    next_serial: int
    launches: Mapping[PoolName, Mapping[AvailabilityZone, Setback]] = field(default_factory=dict)
    quota: Setback | None = None
    versions: Mapping[ServiceName, Mapping[Version, Setback]] = field(default_factory=dict)
    tokens: Mapping[ServerId, Token] = field(default_factory=dict)
    storms: Mapping[str, Storm] = field(default_factory=dict)
    sizes: Mapping[ServiceName, Size] = field(default_factory=dict)
    rushes: Mapping[PoolName, Rush] = field(default_factory=dict)
    trials: Mapping[PoolName, Trial] = field(default_factory=dict)


_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Give what reads and writes a type; it is made when it is first asked for, for an agent needs few of them."""
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter


def _read(kind: type[T], content: bytes) -> T:
    try:
        return _adapter(kind).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise FormatError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def _reader(kind: type[T]) -> Callable[[bytes], T]:
    return lambda content: _read(kind, content)


read_anchor: Final = _reader(Anchor)
read_record: Final = _reader(ServerRecord)
read_pool_entry: Final = _reader(PoolEntry)
read_trouble: Final = _reader(Trouble)
read_assignment: Final = _reader(Assignment)
read_identity: Final = _reader(Identity)
read_desired: Final = _reader(StoredDesired)
read_candidate: Final = _reader(Candidate)
read_tenure: Final = _reader(Tenure)
read_proxy: Final = _reader(ProxyServes)
read_rollout: Final = _reader(Rollout)
read_orders: Final = _reader(Orders)

_Written: TypeAlias = (
    Anchor
    | ServerRecord
    | PoolEntry
    | Trouble
    | Assignment
    | Identity
    | StoredDesired
    | Candidate
    | Tenure
    | Traffic
    | ProxyServes
    | Rollout
    | Orders
)


def write(value: _Written) -> bytes:
    """Write a record as compact JSON with its fields in the order of the class."""
    return _adapter(type(value)).dump_json(value, exclude_none=True)


def read_traffic(content: bytes) -> Traffic:
    """Read a traffic entry; what is not within its grammar never reaches a proxy. Errors: FormatError."""
    traffic = _read(Traffic, content)
    if odd := oddity(traffic):
        raise FormatError(odd)
    return traffic


def read_ledger(content: bytes) -> Ledger:
    """Read the ledger. Errors: FormatError."""
    entry = _read(_LedgerEntry, content)
    return Ledger(
        next_serial=entry.next_serial,
        launch_setbacks=_flat(entry.launches),
        quota_setback=entry.quota,
        version_setbacks=_flat(entry.versions),
        tokens=entry.tokens,
        storms=entry.storms,
        sizes=entry.sizes,
        rushes=entry.rushes,
        trials=entry.trials,
    )


def write_ledger(ledger: Ledger) -> bytes:
    """Write the ledger as compact JSON."""
    return _adapter(_LedgerEntry).dump_json(
        _LedgerEntry(
            next_serial=ledger.next_serial,
            launches=_nested(ledger.launch_setbacks),
            quota=ledger.quota_setback,
            versions=_nested(ledger.version_setbacks),
            tokens=ledger.tokens,
            storms=ledger.storms,
            sizes=ledger.sizes,
            rushes=ledger.rushes,
            trials=ledger.trials,
        )
    )


def _flat(nested: Mapping[A, Mapping[B, Setback]]) -> dict[tuple[A, B], Setback]:
    return {(outer, inner): setback for outer, entries in nested.items() for inner, setback in entries.items()}


def _nested(flat: Mapping[tuple[A, B], Setback]) -> dict[A, dict[B, Setback]]:
    nested: dict[A, dict[B, Setback]] = {}
    for outer, inner in sorted(flat):
        nested.setdefault(outer, {})[inner] = flat[outer, inner]
    return nested
