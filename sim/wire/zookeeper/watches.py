"""Who is told what: one-shot watches on values and children, persistent and persistent recursive ones.

A watcher is a number (a connection). It is told once of one event, however many of its watches match. Real ZooKeeper up
to 3.8 keeps a single mode per watcher and path, so that a later one-shot watch takes a persistent one away
(ZOOKEEPER-4466, mended in 3.9); here, as in 3.9, they live side by side.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeVar

from sim.wire.zookeeper.paths import ancestry, parent_of
from sim.wire.zookeeper.values import Event, EventType, Notification, WatcherType

K = TypeVar("K")
V = TypeVar("V")


class WatchKind(Enum):
    """How a watch matches."""

    VALUE = "value"
    CHILDREN = "children"
    PERSISTENT = "persistent"
    RECURSIVE = "recursive"


_ONE_SHOT: Final = {
    EventType.CREATED: (WatchKind.VALUE,),
    EventType.DATA_CHANGED: (WatchKind.VALUE,),
    EventType.DELETED: (WatchKind.VALUE, WatchKind.CHILDREN),
    EventType.CHILDREN_CHANGED: (WatchKind.CHILDREN,),
}

_KINDS: Final = {
    WatcherType.CHILDREN: (WatchKind.CHILDREN,),
    WatcherType.DATA: (WatchKind.VALUE,),
    WatcherType.ANY: tuple(WatchKind),
    WatcherType.PERSISTENT: (WatchKind.PERSISTENT,),
    WatcherType.PERSISTENT_RECURSIVE: (WatchKind.RECURSIVE,),
}


class Watches:
    """All watches of a server."""

    def __init__(self) -> None:
        self._watchers: dict[WatchKind, dict[str, set[int]]] = {kind: {} for kind in WatchKind}
        self._watched: dict[int, set[tuple[WatchKind, str]]] = {}

    def add(self, kind: WatchKind, path: str, watcher: int) -> None:
        """Watch; twice is once."""
        self._watchers[kind].setdefault(path, set()).add(watcher)
        self._watched.setdefault(watcher, set()).add((kind, path))

    def has(self, type_: WatcherType, path: str, watcher: int) -> bool:
        """Tell whether the watcher has such a watch."""
        return any((kind, path) in self._watched.get(watcher, ()) for kind in _KINDS[type_])

    def remove(self, type_: WatcherType, path: str, watcher: int) -> None:
        """Forget such watches of the watcher."""
        for kind in _KINDS[type_]:
            if (kind, path) in self._watched.get(watcher, ()):
                self._forget(kind, path, watcher)

    def drop(self, watcher: int) -> None:
        """Forget a watcher."""
        for kind, path in self._watched.pop(watcher, ()):
            _discard(self._watchers[kind], path, watcher)

    def trigger(self, event: Event) -> list[Notification]:
        """Tell whom an event concerns, and use up the one-shot watches."""
        told = set(self._watchers[WatchKind.PERSISTENT].get(event.path, ()))
        recursive = self._watchers[WatchKind.RECURSIVE]
        if recursive and event.type is not EventType.CHILDREN_CHANGED:
            for path in ancestry(event.path):
                told.update(recursive.get(path, ()))
        for kind in _ONE_SHOT[event.type]:
            once = tuple(self._watchers[kind].get(event.path, ()))
            told.update(once)
            for watcher in once:
                self._forget(kind, event.path, watcher)
        return [(watcher, event) for watcher in sorted(told)]

    def counts(self) -> tuple[int, int, int]:
        """Count watchers, watched paths and watches."""
        paths = {path for by_path in self._watchers.values() for path in by_path}
        return len(self._watched), len(paths), sum(len(watched) for watched in self._watched.values())

    def _forget(self, kind: WatchKind, path: str, watcher: int) -> None:
        _discard(self._watchers[kind], path, watcher)
        _discard(self._watched, watcher, (kind, path))


def _discard(index: dict[K, set[V]], key: K, value: V) -> None:
    index[key].discard(value)
    if not index[key]:
        del index[key]


def events_of_creation(path: str) -> tuple[Event, ...]:
    """Give the events of a znode that came."""
    return Event(EventType.CREATED, path), Event(EventType.CHILDREN_CHANGED, parent_of(path))


def events_of_deletion(path: str) -> tuple[Event, ...]:
    """Give the events of a znode that went."""
    return Event(EventType.DELETED, path), Event(EventType.CHILDREN_CHANGED, parent_of(path))
