"""The tree of znodes: state, and the four effects that change it. Who may do what is decided in `core`, not here.

The rule to keep: an effect that was checked always succeeds, and gives the way back, so that a multi can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from sim.wire.zookeeper.effects import AccessSet, NodeCreated, NodeDeleted, TreeEffect, ValueSet
from sim.wire.zookeeper.paths import ROOT, name_of, parent_of
from sim.wire.zookeeper.values import OPEN, READ_ONLY, AccessList, Code, Refused, Stat

Undo: TypeAlias = Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Znode:
    """One znode. Belongs to its tree: others read it, effects alone change it."""

    value: bytes | None
    access: AccessList
    owner: int = 0
    """Session that it dies with; 0 for a durable one."""
    czxid: int = 0
    ctime_ms: int = 0
    mzxid: int = 0
    mtime_ms: int = 0
    version: int = 0
    aversion: int = 0
    creations: int = 0
    """Children ever created: the counter of sequential names; the wire's cversion counts deletions too."""
    pzxid: int = 0
    children: set[str] = field(default_factory=set)

    def stat(self) -> Stat:
        """Give the facts as clients see them."""
        return Stat(
            czxid=self.czxid,
            mzxid=self.mzxid,
            ctime=self.ctime_ms,
            mtime=self.mtime_ms,
            version=self.version,
            cversion=self.creations * 2 - len(self.children),
            aversion=self.aversion,
            ephemeral_owner=self.owner,
            data_length=len(self.value or b""),
            num_children=len(self.children),
            pzxid=self.pzxid,
        )


class Tree:
    """All znodes, by path."""

    def __init__(self) -> None:
        self.znodes: dict[str, Znode] = {}
        self.ephemerals: dict[int, set[str]] = {}
        """Paths by owning session."""
        for path in (ROOT, "/zookeeper", "/zookeeper/config", "/zookeeper/quota"):
            self.place(path, Znode(value=b"", access=READ_ONLY if path == "/zookeeper/config" else OPEN))

    def copy(self) -> Tree:
        """Give a tree of its own with the same content. Cost: all znodes once."""
        other = Tree.__new__(Tree)
        other.znodes = {path: replace(znode, children=set(znode.children)) for path, znode in self.znodes.items()}
        other.ephemerals = {session_id: set(paths) for session_id, paths in self.ephemerals.items()}
        return other

    def find(self, path: str) -> Znode:
        """Give a znode. Errors: Refused(NO_NODE)."""
        try:
            return self.znodes[path]
        except KeyError:
            raise Refused(Code.NO_NODE) from None

    def ephemerals_of(self, session_id: int) -> list[str]:
        """List a session's ephemerals, sorted."""
        return sorted(self.ephemerals.get(session_id, ()))

    def descendants(self, path: str) -> Iterator[str]:
        """Yield the paths of everything below, in no order."""
        pending = [path]
        while pending:
            above = pending.pop()
            prefix = "/" if above == ROOT else f"{above}/"
            below = [prefix + name for name in self.znodes[above].children]
            yield from below
            pending.extend(below)

    def apply(self, effect: TreeEffect, zxid: int, time_ms: int) -> Undo:
        """Carry out a checked effect, and give the way back."""
        match effect:
            case NodeCreated():
                return self._create(effect, zxid, time_ms)
            case NodeDeleted():
                return self._delete(effect, zxid)
            case ValueSet():
                return self._set_value(effect, zxid, time_ms)
            case AccessSet():
                return self._set_access(effect)
            case _:
                assert_never(effect)

    def place(self, path: str, znode: Znode) -> None:
        """Put a whole znode where it belongs; its parent must be there, and is not touched but for the name."""
        self.znodes[path] = znode
        if path != ROOT:
            self.znodes[parent_of(path)].children.add(name_of(path))
        if znode.owner:
            self.ephemerals.setdefault(znode.owner, set()).add(path)

    def _take(self, path: str) -> Znode:
        znode = self.znodes.pop(path)
        self.znodes[parent_of(path)].children.discard(name_of(path))
        if znode.owner:
            owned = self.ephemerals[znode.owner]
            owned.discard(path)
            if not owned:
                del self.ephemerals[znode.owner]
        return znode

    def _create(self, effect: NodeCreated, zxid: int, time_ms: int) -> Undo:
        parent = self.znodes[parent_of(effect.path)]
        before = parent.creations, parent.pzxid
        self.place(
            effect.path,
            Znode(
                value=effect.value,
                access=effect.access,
                owner=effect.owner,
                czxid=zxid,
                ctime_ms=time_ms,
                mzxid=zxid,
                mtime_ms=time_ms,
                pzxid=zxid,
            ),
        )
        parent.creations += 1
        parent.pzxid = zxid

        def undo() -> None:
            self._take(effect.path)
            parent.creations, parent.pzxid = before

        return undo

    def _delete(self, effect: NodeDeleted, zxid: int) -> Undo:
        parent = self.znodes[parent_of(effect.path)]
        before = parent.pzxid
        znode = self._take(effect.path)
        parent.pzxid = zxid

        def undo() -> None:
            self.place(effect.path, znode)
            parent.pzxid = before

        return undo

    def _set_value(self, effect: ValueSet, zxid: int, time_ms: int) -> Undo:
        znode = self.znodes[effect.path]
        before = znode.value, znode.version, znode.mzxid, znode.mtime_ms
        znode.value = effect.value
        znode.version += 1
        znode.mzxid = zxid
        znode.mtime_ms = time_ms

        def undo() -> None:
            znode.value, znode.version, znode.mzxid, znode.mtime_ms = before

        return undo

    def _set_access(self, effect: AccessSet) -> Undo:
        znode = self.znodes[effect.path]
        before = znode.access, znode.aversion
        znode.access = effect.access
        znode.aversion += 1

        def undo() -> None:
            znode.access, znode.aversion = before

        return undo
