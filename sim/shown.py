"""Entries of the registry and names of children as its clients are given them, made once for as long as they are so.

After every gap a control plane reads all entries of its fleet again, and nearly all are as they were. The rule to keep:
zxids are never used twice, not even by a registry that was rolled back (sim/ensemble.py), so what has the same ones is
the same.
"""

from __future__ import annotations

from hfs_appliance.ports.registry import Znode
from sim.wire.zookeeper import tree

_SPARE = 1000
"""Entries that are gone are kept until there are as many of them as of others, and so many more."""


class Shown:
    """What was shown last, by path; of all servers together, for they agree on what a zxid stands for."""

    def __init__(self) -> None:
        self._entries: dict[str, Znode] = {}
        self._names: dict[str, tuple[int, tuple[str, ...]]] = {}

    def entry(self, where: tree.Tree, path: str) -> Znode | None:
        """Show an entry; None when it is not there."""
        znode = where.znodes.get(path)
        if znode is None:
            return None
        known = self._entries.get(path)
        if (
            known is not None
            and known.mzxid == znode.mzxid
            and known.pzxid == znode.pzxid
            and known.czxid == znode.czxid
        ):
            return known
        if len(self._entries) > 2 * len(where.znodes) + _SPARE:
            self._entries.clear()
        made = self._entries[path] = Znode(
            path=path,
            value=znode.value or b"",
            version=znode.version,
            czxid=znode.czxid,
            mzxid=znode.mzxid,
            pzxid=znode.pzxid,
            ephemeral_owner=znode.owner,
        )
        return made

    def names(self, where: tree.Tree, path: str) -> tuple[str, ...] | None:
        """Show the names of an entry's children, sorted; None when it is not there."""
        znode = where.znodes.get(path)
        if znode is None:
            return None
        known = self._names.get(path)
        if known is None or known[0] != znode.pzxid:
            known = self._names[path] = (znode.pzxid, tuple(sorted(znode.children)))
        return known[1]
