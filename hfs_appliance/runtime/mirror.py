"""The mirror: the entries of the environment as values, kept in step with what was read of the registry.

It takes entries in and shows them as one RegistryView; when and what to read is the observer's business. What is read
again and says the same stays the same object, so that nobody looks at it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Final, Generic, TypeVar

from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.events import EntryRefused, InstanceTroubled
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import PoolEntry, Registration, RegistryView, ServerRecord, Trouble
from hfs_appliance.model.rollout import Rollout
from hfs_appliance.model.traffic import ProxyServes, Traffic
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Znode
from hfs_appliance.registry.curator import read_registration
from hfs_appliance.registry.formats import (
    FormatError,
    read_anchor,
    read_pool_entry,
    read_proxy,
    read_record,
    read_rollout,
    read_traffic,
    read_trouble,
)
from hfs_appliance.registry.paths import Layout

K = TypeVar("K", bound=str)
V = TypeVar("V")
T = TypeVar("T")

_PARTS: Final = tuple(part.name for part in fields(RegistryView))


class Mirror:
    """What the registry holds for one environment, as far as it was read."""

    def __init__(self, layout: Layout, sink: EventSink) -> None:
        self._sink = sink
        self._servers, self._pool_root, self._troubles_root = layout.servers, layout.pool, layout.troubles
        self._services = f"{layout.services}/"
        self._anchor_path = layout.anchor
        self._anchor: Anchor | None = None
        self._hear_anchor: Callable[[Anchor], None] | None = None
        self._takers: dict[str, Callable[[str, str, Znode | None], None]] = {
            layout.rollouts: self._take_rollout,
            layout.traffic: self._take_traffic,
            layout.proxies: self._take_proxy,
        }
        self._records: _Part[ServerId, ServerRecord] = _Part()
        self._pool: _Part[ServerId, PoolEntry] = _Part()
        self._troubles: _Part[ServerId, Trouble] = _Part()
        self._rollouts: _Part[ServiceName, Rollout] = _Part()
        self._traffic: _Part[ServiceName, Traffic] = _Part()
        self._proxies: _Part[str, ProxyServes] = _Part()
        self._departed: _Part[ServerId, Instant] = _Part()
        self._registrations: dict[ServiceName, _Part[str, Registration]] = {}
        self._by_service: Map[ServiceName, Map[str, Registration]] = Map()
        self._known: dict[str, dict[str, int]] = {}
        """The entries that are there, readable or not, by their parent's path and name, each with its imprint."""
        self._refused: set[str] = set()
        """Those of them that cannot be read: each reading tells of it."""
        self._view: RegistryView | None = None

    def on_anchor(self, hear: Callable[[Anchor], None]) -> None:
        """Give every new anchor to `hear`."""
        self._hear_anchor = hear

    def is_in_step(self, path: str, znode: Znode | None) -> bool:
        """Tell whether an entry was, when it was read last, as it is read now; None: not there."""
        parent, _, name = path.rpartition("/")
        return self._known.get(parent, {}).get(name) == (_imprint(znode) if znode is not None else None)

    def unlike(self, parent: str, listed: Sequence[str]) -> list[str]:
        """Name the children of `parent` that are listed or known, but not both, sorted."""
        known = self._known.get(parent, {}).keys()
        if len(listed) == len(known) and known >= set(listed):
            return []
        return sorted(known ^ set(listed))

    def paths(self) -> list[str]:
        """Name all entries that are known, sorted."""
        return sorted(f"{parent}/{name}" for parent, names in self._known.items() for name in names)

    def paths_below(self, parent: str) -> list[str]:
        """Name the entries that are known below one, sorted."""
        return [f"{parent}/{name}" for name in sorted(self._known.get(parent, ()))]

    def parents(self) -> list[str]:
        """Name the entries below which any are known, sorted."""
        return sorted(self._known)

    def take(self, found: Mapping[str, Znode | None], now: Instant) -> None:
        """Take entries in as they were read; None: not there.

        After each reconnection all entries are asked for, and nearly all are as they were: those are passed over.
        """
        changed: set[ServiceName] = set()
        for path, znode in found.items():
            parent, _, name = path.rpartition("/")
            server = ServerId(name)
            if znode is not None and self._is_as_known(path, parent, server, znode):
                continue
            if path == self._anchor_path:
                self._take_anchor(self._read(path, znode, read_anchor))
                continue
            if parent == self._servers:
                record = self._read(path, znode, read_record)
                self._records.put(server, record)
                if record is None:
                    self._departed.put(server, None)
            elif parent == self._pool_root:
                entry = self._read(path, znode, read_pool_entry)
                self._note_presence(server, was=self._pool.has(server), entry=entry, now=now)
                self._pool.put(server, entry)
            elif parent == self._troubles_root:
                self._take_trouble(server, self._read(path, znode, read_trouble))
            elif parent in self._takers:
                self._takers[parent](path, name, znode)
            elif parent.startswith(self._services):
                service = ServiceName(parent.removeprefix(self._services))
                if "/" in service:
                    continue
                self._take_registration(service, path, znode, now)
                changed.add(service)
            else:
                continue
            self._note(parent, name, znode)
        if changed:
            self._by_service = self._by_service.updated({service: self._entries(service) for service in changed})

    def view(self, *, synced_at: Instant, removals_believed_at: Instant) -> RegistryView:
        """Show what is there; the former view when nothing has changed."""
        view = RegistryView(
            records=self._records.map(),
            pool=self._pool.map(),
            registrations=self._by_service,
            troubles=self._troubles.map(),
            anchor=self._anchor,
            rollouts=self._rollouts.map(),
            traffic=self._traffic.map(),
            proxies=self._proxies.map(),
            departed=self._departed.map(),
            synced_at=synced_at,
            removals_believed_at=removals_believed_at,
        )
        before = self._view
        # By identity: what is equal was kept, and comparing two Maps of thousands takes milliseconds.
        if before is None or any(getattr(view, part) is not getattr(before, part) for part in _PARTS):
            self._view = view
            return view
        return before

    def _take_anchor(self, anchor: Anchor | None) -> None:
        if anchor != self._anchor:
            self._anchor = anchor
            if anchor is not None and self._hear_anchor is not None:
                self._hear_anchor(anchor)

    def _take_registration(self, service: ServiceName, path: str, znode: Znode | None, now: Instant) -> None:
        name = path.rpartition("/")[2]
        czxid = znode.czxid if znode is not None else 0
        entries = self._registrations.get(service)
        if entries is None:
            entries = self._registrations[service] = _Part()
        registration = self._read(path, znode, lambda value: read_registration(service, name, value, czxid))
        self._note_presence(ServerId(name), was=entries.has(name), entry=registration, now=now)
        entries.put(name, registration)

    def _entries(self, service: ServiceName) -> Map[str, Registration] | None:
        entries = self._registrations[service].map()
        if not entries:
            del self._registrations[service]
            return None
        return entries

    def _take_trouble(self, server: ServerId, trouble: Trouble | None) -> None:
        if trouble is not None and trouble != self._troubles.get(server):
            self._sink.emit("agent", InstanceTroubled(server=server, words=trouble.words))
        self._troubles.put(server, trouble)

    def _take_rollout(self, path: str, name: str, znode: Znode | None) -> None:
        self._rollouts.put(ServiceName(name), self._read(path, znode, read_rollout))

    def _take_traffic(self, path: str, name: str, znode: Znode | None) -> None:
        self._traffic.put(ServiceName(name), self._read(path, znode, read_traffic))

    def _take_proxy(self, path: str, name: str, znode: Znode | None) -> None:
        self._proxies.put(name, self._read(path, znode, read_proxy))

    def _note(self, parent: str, name: str, znode: Znode | None) -> None:
        if znode is not None:
            self._known.setdefault(parent, {})[name] = _imprint(znode)
        elif parent in self._known:
            self._known[parent].pop(name, None)
            if not self._known[parent]:
                del self._known[parent]

    def _note_presence(self, server: ServerId, *, was: bool, entry: object | None, now: Instant) -> None:
        if entry is not None:
            self._departed.put(server, None)
        elif was:
            self._departed.put(server, now)

    def _is_as_known(self, path: str, parent: str, server: ServerId, znode: Znode) -> bool:
        """Tell whether an entry has the content that was read of it before, and its being there is no news."""
        known = self._known.get(parent)
        if known is None or known.get(server) != _imprint(znode):
            return False
        return path not in self._refused and not self._departed.has(server)

    def _read(self, path: str, znode: Znode | None, reader: Callable[[bytes], T]) -> T | None:
        self._refused.discard(path)
        if znode is None:
            return None
        try:
            return reader(znode.value)
        except FormatError as error:
            self._refused.add(path)
            self._sink.emit("registry", EntryRefused(path=path, words=str(error)))
            return None


def _imprint(znode: Znode) -> int:
    """Tell content from content. Not by the entry's version: a registry that was rolled back counts them anew."""
    return hash((znode.value, znode.czxid))


class _Part(Generic[K, V]):
    """A Map in the making: changes are collected and made together."""

    __slots__ = ("_changes", "_map")
    _map: Map[K, V]
    _changes: dict[K, V | None]

    def __init__(self) -> None:
        self._map, self._changes = Map(), {}

    def get(self, key: K) -> V | None:
        """Give the present value."""
        return self._changes[key] if key in self._changes else self._map.get(key)

    def has(self, key: K) -> bool:
        """Tell whether there is a value."""
        return self.get(key) is not None

    def put(self, key: K, value: V | None) -> None:
        """Note another value, or that there is none; one that is equal changes nothing."""
        known = self.get(key)
        if value is not known and value != known:
            self._changes[key] = value

    def map(self) -> Map[K, V]:
        """Give the Map with all changes made."""
        if self._changes:
            self._map, self._changes = self._map.updated(self._changes), {}
        return self._map
