"""What is written of our own records can be read again: what is None is left out, and must be able to be left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest

from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import Health, Registrar, RunSpec
from hfs_appliance.model.ids import Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.registry import formats

ROLE = Assignment(
    server=ServerId("small-0001"),
    nonce=Nonce("ab12"),
    service=ServiceName("dns"),
    version=Version("1.0.0"),
    slot=0,
    port=9000,
    run=RunSpec(command=("serve",)),
    health=Health(),
    registrar=Registrar.AGENT,
    document="/openapi.json",
    base_path="/",
    drain=seconds(5),
    claimed_at=Instant(1),
)


@pytest.mark.parametrize("document", ["/openapi.json", None])
def test_a_role_is_read_as_it_was_given(document: str | None) -> None:
    role = replace(ROLE, document=document)
    assert formats.read_assignment(formats.write(role)) == role


def written(kind: Any, seen: set[Any]) -> Iterator[type]:
    """Give the classes of which a record consists."""
    for part in get_args(kind):
        yield from written(part, seen)
    if isinstance(kind, type) and is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        yield kind
        for hint in get_type_hints(kind).values():
            yield from written(hint, seen)


def test_whatever_may_be_none_may_be_left_out() -> None:
    seen: set[Any] = set()
    kinds = [kind for record in get_args(formats._Written) for kind in written(record, seen)]
    missing = [
        f"{kind.__name__}.{field.name}"
        for kind in kinds
        for field in fields(kind)
        if NoneType in get_args(get_type_hints(kind)[field.name])
        and field.default is MISSING
        and field.default_factory is MISSING
    ]
    assert len(kinds) > 15
    assert missing == []
