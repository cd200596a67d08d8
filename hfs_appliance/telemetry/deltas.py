"""Deltas: any value of the model as JSON, told as what differs from the value before it.

One Codec for each type, made from its annotations, so that a field that is added to the model tomorrow is told without
a word here. `delta(old, new)` is SAME when nothing differs, `apply(old, delta)` is its inverse: the very value again.
Maps are compared by identity first (`model/maps.py`), so a delta costs what has changed, not what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, NewType, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from hfs_appliance.model.maps import Map, differing

SAME: Final = object()
"""Nothing differs."""
NOTHING: Final = object()
"""There was no value before."""
_BETWEEN: Final = "\t"
"""Stands between the parts of a key that is a tuple of names, which never hold it."""


class Codec(Protocol):
    """How one type is told."""

    def delta(self, old: Any, new: Any) -> Any:
        """Give what differs, as JSON values; SAME when nothing does. `old` may be NOTHING."""
        ...

    def apply(self, old: Any, delta: Any) -> Any:
        """Give the new value. Errors: KeyError, TypeError, ValueError when the delta is not one of this type."""
        ...


class _Scalar:
    """Text, numbers, enums, None: told whole."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def delta(self, old: Any, new: Any) -> Any:
        if new is old or new == old:
            return SAME
        return new.value if isinstance(new, Enum) else new

    def apply(self, old: Any, delta: Any) -> Any:
        del old
        return self._read(delta)


class _Sorted:
    """A set of names: told whole."""

    def delta(self, old: Any, new: Any) -> Any:
        return SAME if new is old or new == old else sorted(new)

    def apply(self, old: Any, delta: Any) -> Any:
        del old
        return frozenset(delta)


class _Either:
    """A value of one of several classes, or None: `[name, delta]`, `[]`."""

    def __init__(self, kinds: Mapping[str, tuple[type, Codec]]) -> None:
        self._kinds = kinds
        self._names = {kind: name for name, (kind, _) in kinds.items()}

    def delta(self, old: Any, new: Any) -> Any:
        if new is old:
            return SAME
        if new is None:
            return []
        name = self._name(new)
        is_alike = old is not None and old is not NOTHING and self._name(old) == name
        told = self._kinds[name][1].delta(old if is_alike else NOTHING, new)
        if told is SAME:
            return SAME if is_alike else [name]
        return [name, told]

    def apply(self, old: Any, delta: Any) -> Any:
        if not delta:
            return None
        codec = self._kinds[delta[0]][1]
        is_alike = old is not None and old is not NOTHING and self._name(old) == delta[0]
        return codec.apply(old if is_alike else NOTHING, delta[1]) if len(delta) > 1 else old

    def _name(self, value: Any) -> str:
        name = self._names.get(type(value))
        return name if name is not None else next(n for n, (kind, _) in self._kinds.items() if isinstance(value, kind))


class _Struct:
    """A dataclass: told field by field; what has its default at first is left out."""

    def __init__(self, kind: type, hints: Mapping[str, Any]) -> None:
        self._kind = kind
        told = [each for each in fields(kind) if each.init]
        self._fields = [(each.name, codec(hints[each.name]), _default(each)) for each in told]

    def delta(self, old: Any, new: Any) -> Any:
        if new is old:
            return SAME
        told: dict[str, Any] = {}
        for name, codec, default in self._fields:
            value = getattr(new, name)
            before = default if old is NOTHING else getattr(old, name)
            if value is before:
                continue
            differs = codec.delta(before, value)
            if differs is not SAME:
                told[name] = differs
        return told if told or old is NOTHING else SAME

    def apply(self, old: Any, delta: Any) -> Any:
        values: dict[str, Any] = {}
        for name, codec, default in self._fields:
            before = default if old is NOTHING else getattr(old, name)
            if name in delta:
                values[name] = codec.apply(before, delta[name])
            elif before is NOTHING:
                raise KeyError(f"{self._kind.__name__}.{name}")
            else:
                values[name] = before
        return self._kind(**values)


class _Row:
    """A NamedTuple: told whole, as a list."""

    def __init__(self, kind: Any, codecs: list[Codec]) -> None:
        self._kind = kind
        self._codecs = codecs

    def delta(self, old: Any, new: Any) -> Any:
        if new is old or new == old:
            return SAME
        return [codec.delta(NOTHING, value) for codec, value in zip(self._codecs, new, strict=True)]

    def apply(self, old: Any, delta: Any) -> Any:
        del old
        return self._kind(*(codec.apply(NOTHING, value) for codec, value in zip(self._codecs, delta, strict=True)))


class _Several:
    """A tuple: told as its items; a run of those that were there is `[start, length]`, a new one `{"+": item}`."""

    def __init__(self, item: Codec) -> None:
        self._item = item

    def delta(self, old: Any, new: Any) -> Any:
        if new is old or new == old:
            return SAME
        known = {id(item): place for place, item in enumerate(old)} if old is not NOTHING else {}
        told: list[Any] = []
        for item in new:
            place = known.get(id(item))
            if place is None:
                told.append({"+": self._item.delta(NOTHING, item)})
            elif told and isinstance(told[-1], list) and told[-1][0] + told[-1][1] == place:
                told[-1][1] += 1
            else:
                told.append([place, 1])
        return told

    def apply(self, old: Any, delta: Any) -> Any:
        items: list[Any] = []
        for told in delta:
            if isinstance(told, list):
                items += old[told[0] : told[0] + told[1]]
            else:
                items.append(self._item.apply(NOTHING, told["+"]))
        return tuple(items)


class _Entries:
    """A mapping: told as the entries that differ; one that has gone is null, any other `[delta]`."""

    def __init__(self, write: Callable[[Any], str], read: Callable[[str], Any], value: Codec, *, is_map: bool) -> None:
        self._write = write
        self._read = read
        self._value = value
        self._is_map = is_map

    def delta(self, old: Any, new: Any) -> Any:
        if new is old:
            return SAME
        if type(new) is dict and old == new:
            return SAME  # made anew each time, and small: quicker to compare than to search
        before: Mapping[Any, Any] = {} if old is NOTHING else old
        told: dict[str, Any] = {}
        for key in sorted(differing(before, new)):
            if key not in new:
                told[self._write(key)] = None
                continue
            differs = self._value.delta(before.get(key, NOTHING), new[key])
            if differs is not SAME:
                told[self._write(key)] = [differs]
        return told if told or old is NOTHING else SAME

    def apply(self, old: Any, delta: Any) -> Any:
        before: Mapping[Any, Any] = {} if old is NOTHING else old
        changes: dict[Any, Any] = {}
        for text, told in delta.items():
            key = self._read(text)
            changes[key] = self._value.apply(before.get(key, NOTHING), told[0]) if told is not None else None
        if self._is_map:
            known: Map[Any, Any] = before if isinstance(before, Map) else Map(before)
            return known.updated(changes)
        merged = {**before, **changes}
        return {key: value for key, value in merged.items() if value is not None}


def codec(hint: Any) -> Codec:
    """Give the Codec of a type. Errors: TypeError for one that the model has no use for."""
    found = _CODECS.get(hint)
    if found is None:
        found = _CODECS[hint] = _codec(hint)
    return found


_CODECS: Final[dict[Any, Codec]] = {}


def _codec(hint: Any) -> Codec:
    if isinstance(hint, NewType):
        return codec(hint.__supertype__)
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(parts)
    if origin is not None and issubclass(origin, Mapping):
        write, read, is_map = _key(parts[0])
        return _Entries(write, read, codec(parts[1]), is_map=is_map)
    if origin is not None and issubclass(origin, Set):
        return _Sorted()
    if origin is tuple and parts[1:] == (Ellipsis,):
        return _Several(codec(parts[0]))
    kind = origin or hint
    if is_dataclass(kind):
        return _Struct(kind, _hints(kind, parts))  # type: ignore[arg-type]  # a class, not an instance
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _Row(kind, [codec(part) for part in get_type_hints(kind).values()])
    if isinstance(kind, type) and issubclass(kind, Enum | str | int | NoneType):
        return _Scalar(kind if kind is not NoneType else lambda _: None)
    raise TypeError(f"nothing of type {hint} is recorded")


def _union(parts: tuple[Any, ...]) -> Codec:
    """Give the Codec of a choice; scalars tell themselves apart by being what they are."""
    others = [part for part in parts if part is not NoneType]
    if len(others) == 1 and isinstance(inner := codec(others[0]), _Scalar):
        return _Scalar(lambda told: inner.apply(None, told) if told is not None else None)
    return _Either({_name(part): (_class(part), codec(part)) for part in others})


def _name(hint: Any) -> str:
    return str(_class(hint).__name__)


def _class(hint: Any) -> Any:
    return hint.__supertype__ if isinstance(hint, NewType) else get_origin(hint) or hint


def _key(hint: Any) -> tuple[Callable[[Any], str], Callable[[str], Any], bool]:
    """Tell how keys become text and come back, and whether a Map may hold them."""
    kind = _class(hint)
    if kind is tuple:
        return _BETWEEN.join, lambda text: tuple(text.split(_BETWEEN)), False
    if issubclass(kind, int):
        return str, int, False
    if issubclass(kind, Enum):
        return lambda key: str(key.value), kind, False
    return str, str, True


@cache
def _hints(kind: type, parts: tuple[Any, ...]) -> Mapping[str, Any]:
    """Give the types of a dataclass's fields, those of a generic one with its parts put in."""
    given: Mapping[Any, Any] = dict(zip(getattr(kind, "__parameters__", ()), parts, strict=False))
    return {
        name: given.get(hint, hint) if isinstance(hint, TypeVar) else hint
        for name, hint in get_type_hints(kind).items()
    }


def _default(field: Field[Any]) -> Any:
    """Give what a field has when nobody says otherwise; NOTHING: it must be said."""
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else NOTHING
