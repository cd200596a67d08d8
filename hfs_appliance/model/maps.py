"""Maps that are values: a changed copy shares what did not change, so copying and comparing cost only the change.

Observers hand out thousands of entries many times a second, and whoever looks wants to know which of them are others
than before. Entries lie in shards, small dicts that are never changed once they are in a Map; `differing` passes over
the shards that two Maps share. Nobody has to tell what changed, so nothing can be told wrongly or lost.

The rules to keep: values are never None (in a change, None removes), and the order of a Map means nothing.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from itertools import chain, compress, islice
from operator import is_, is_not
from typing import Final, TypeVar, overload
from zlib import crc32

K = TypeVar("K", bound=str)
V = TypeVar("V")
T = TypeVar("T")

FULL: Final = 256
"""Mean entries of a shard from which there are four times as many: copying one takes 1 to 2 µs, comparing 10 µs."""


class Map(Mapping[K, V]):
    """An immutable mapping. A look-up takes 0.4 µs, so whoever looks at most entries works on its `flat` form."""

    __slots__ = ("_shards", "_size")

    def __init__(self, entries: Mapping[K, V] | None = None) -> None:
        # Entries are spread over shards by the first change; a Map that never sees one costs no more than a dict.
        self._shards: tuple[dict[K, V], ...] = (dict(flat(entries)) if entries is not None else {},)
        self._size = len(self._shards[0])

    def __getitem__(self, key: K) -> V:
        return self._shard(key)[key]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._shard(key)  # type: ignore[arg-type]  # any str may be asked for

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._shards)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return flat(self) == flat(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # like every mapping

    def __repr__(self) -> str:
        return f"Map({self.flat()!r})"

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V | T) -> V | T: ...
    def get(self, key: K, /, default: V | T | None = None) -> V | T | None:
        """Look a key up."""
        return self._shard(key).get(key, default)

    def keys(self) -> KeysView[K]:
        """Show the keys."""
        return self.flat().keys()

    def values(self) -> ValuesView[V]:
        """Show the values."""
        return self.flat().values()

    def items(self) -> ItemsView[K, V]:
        """Show keys with their values."""
        return self.flat().items()

    def flat(self) -> dict[K, V]:
        """Give the entries as one dict, for looking only: it may be the Map's own shard."""
        if len(self._shards) == 1:
            return self._shards[0]
        entries: dict[K, V] = {}
        for shard in self._shards:
            entries.update(shard)
        return entries

    def updated(self, changes: Mapping[K, V | None]) -> Map[K, V]:
        """Give the Map with changes made; None removes. Without any change it is this same Map."""
        shards, size, copied = list(_spread(self._shards, self._size)), self._size, set[int]()
        mask = len(shards) - 1
        for key, value in changes.items():
            place = crc32(key.encode()) & mask
            shard = shards[place]
            known = shard.get(key)
            if known is value:
                continue
            if place not in copied:
                copied.add(place)
                shard = shards[place] = shard.copy()
            if value is None:
                del shard[key]
            else:
                shard[key] = value
            size += (known is None) - (value is None)
        if not copied:
            return self
        made: Map[K, V] = Map.__new__(Map)
        made._size = size
        made._shards = tuple(_spread(shards, size))
        return made

    def became(self, entries: Mapping[K, V]) -> Map[K, V]:
        """Give the Map of other entries, in which what equals an entry of this one is that same object."""
        old, new = self.flat(), flat(entries)
        changes: dict[K, V | None] = {
            key: value for key, value in new.items() if (known := old.get(key)) is not value and known != value
        }
        changes.update(dict.fromkeys(key for key in old if key not in new))
        return self.updated(changes)

    def _shard(self, key: K) -> dict[K, V]:
        shards = self._shards
        return shards[crc32(key.encode()) & (len(shards) - 1)] if len(shards) > 1 else shards[0]


def flat(entries: Mapping[K, V]) -> Mapping[K, V]:
    """Give a form of any mapping in which look-ups are quick."""
    return entries.flat() if isinstance(entries, Map) else entries


def side_by_side(one: Mapping[K, V], other: Mapping[K, T]) -> Iterator[tuple[Mapping[K, V], Mapping[K, T]]]:
    """Give parts of two mappings with all entries of the same keys in the same part: shards, if both have as many.

    Looking up all keys of one in the other stays within a few KiB; within 55,000 each look would leave the caches.
    """
    if isinstance(one, Map) and isinstance(other, Map) and len(one._shards) == len(other._shards):  # noqa: SLF001
        yield from zip(one._shards, other._shards, strict=True)  # noqa: SLF001  # this module's own class
    else:
        yield flat(one), flat(other)


def differing(before: Mapping[K, V], after: Mapping[K, V]) -> set[K]:
    """Give the keys whose value is not the same object in both, or which only one of them has.

    Costs a few µs and 10 µs a change when one Map was made from the other; else a look at every entry.
    """
    if before is after:
        return set()
    found: set[K] = set()
    if isinstance(before, Map) and isinstance(after, Map) and len(before._shards) == len(after._shards):  # noqa: SLF001
        for old, new in zip(before._shards, after._shards, strict=True):  # noqa: SLF001  # this module's own class
            if old is not new:
                _note_differing(old, new, found)
    else:
        _note_differing(flat(before), flat(after), found)
    return found


def _note_differing(old: Mapping[K, V], new: Mapping[K, V], found: set[K]) -> None:
    if len(old) <= len(new) and all(map(is_, old, new)):
        # Most of the time: a copy in which entries were changed, or added at its end. Nothing is looked up then.
        found.update(compress(new, map(is_not, new.values(), old.values())))
        found.update(islice(new, len(old), None))
        return
    found.update(key for key, value in new.items() if old.get(key) is not value)
    found.update(key for key in old if key not in new)


def _spread(shards: Sequence[dict[K, V]], size: int) -> Sequence[dict[K, V]]:
    """Have enough shards for so many entries. Where an entry lies depends on its key alone, on every machine."""
    count = len(shards)
    while size > FULL * count:
        count *= 4
    if count == len(shards):
        return shards
    wider: tuple[dict[K, V], ...] = tuple({} for _ in range(count))
    for shard in shards:
        for key, value in shard.items():
            wider[crc32(key.encode()) & (count - 1)][key] = value
    return wider
