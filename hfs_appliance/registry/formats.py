"""Content of znodes <-> model values: our own records as JSON of their dataclasses, strictly read.

Every reader raises `FormatError` with words and never anything else: a broken entry is one entry's trouble.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.observed import PoolEntry, ServerRecord

T = TypeVar("T")


class FormatError(ValueError):
    """An entry's content is not what its place promises; the words say what is wrong with it."""


_RECORD: Final = TypeAdapter(ServerRecord)
_POOL_ENTRY: Final = TypeAdapter(PoolEntry)
_ASSIGNMENT: Final = TypeAdapter(Assignment)
_IDENTITY: Final = TypeAdapter(Identity)


def _read(adapter: TypeAdapter[T], content: bytes) -> T:
    try:
        return adapter.validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise FormatError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def _reader(adapter: TypeAdapter[T]) -> Callable[[bytes], T]:
    return lambda content: _read(adapter, content)


read_record: Final = _reader(_RECORD)
read_pool_entry: Final = _reader(_POOL_ENTRY)
read_assignment: Final = _reader(_ASSIGNMENT)
read_identity: Final = _reader(_IDENTITY)


def write(value: ServerRecord | PoolEntry | Assignment | Identity) -> bytes:
    """Write a record as compact JSON with its fields in the order of the class."""
    adapter: TypeAdapter[object] = {  # type: ignore[assignment]  # one adapter per type, chosen by the type itself
        ServerRecord: _RECORD,
        PoolEntry: _POOL_ENTRY,
        Assignment: _ASSIGNMENT,
        Identity: _IDENTITY,
    }[type(value)]
    return adapter.dump_json(value, exclude_none=True)
