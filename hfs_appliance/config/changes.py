"""Differences between two desired states, with the key paths that an operator writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

from hfs_appliance.config import durations, percents
from hfs_appliance.config.keys import KeyPath, write_path
from hfs_appliance.model.desired import Admin, DesiredState, Endpoint, Pool, Service
from hfs_appliance.model.reports import Change
from hfs_appliance.model.rollout import Step

_RESTART: Final[tuple[KeyPath, ...]] = (
    # The registry session, the provider, the load balancer's client and the admin API's socket are made once, when
    # `hfs run` starts. What stands in [endpoint] reaches nginx with its next configuration; the rest is policy, read
    # anew by every reconcile.
    ("environment",),
    ("registry",),
    ("cloud",),
    ("balancer",),
    ("admin",),
)


def differences(before: DesiredState | None, after: DesiredState) -> tuple[Change, ...]:
    """Give what changes from `before` (None: nothing was there) to `after`, sorted by key.

    A service or pool that comes or goes is told by the keys that are not at their defaults.
    """
    return tuple(change for _, change in _changes(before, after))


def restart_needed(before: DesiredState, after: DesiredState) -> tuple[str, ...]:
    """Give the keys that differ and take effect only when `hfs run` is started again."""
    return tuple(change.path for path, change in _changes(before, after) if path[:1] in _RESTART)


@dataclass(frozen=True, slots=True)
class _Leaf:
    text: str
    is_default: bool = False


_ABSENT: Final = _Leaf("", is_default=True)


def _changes(before: DesiredState | None, after: DesiredState) -> Iterator[tuple[KeyPath, Change]]:
    if before is not None:
        # Most services are the very same in two generations, and there may be a thousand of them.
        before, after = _without_shared(before, after), _without_shared(after, before)
    old = {} if before is None else dict(_flatten((), before))
    new = dict(_flatten((), after))
    for path in sorted(old.keys() | new.keys()):
        was, will_be = old.get(path, _ABSENT), new.get(path, _ABSENT)
        if was.text != will_be.text and not (_ABSENT in (was, will_be) and was.is_default and will_be.is_default):
            yield path, Change(path=write_path(path), before=was.text, after=will_be.text)


def _without_shared(desired: DesiredState, other: DesiredState) -> DesiredState:
    """Leave out the services that are the same objects in another desired state."""
    kept = {name: service for name, service in desired.services.items() if other.services.get(name) is not service}
    return replace(desired, services=kept)


def _steps(steps: Sequence[Step]) -> str:
    return ", ".join(f"{percents.write_tenths(step.weight)} for {durations.write(step.bake)}" for step in steps)


_RENAMED: Final[Mapping[str, str]] = {"pools": "pool", "services": "service", "limits": "quota", "key": "split"}
_WRITERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "Duration": durations.write,
    "Share": percents.write,
    "PerMille": percents.write_tenths,
    "Factor": percents.write_factor,
    "tuple[Step, ...]": _steps,
    "Place": str,
}
"""How fields of these types are written; all others as their values are."""
_WRITTEN_OTHERWISE: Final[Mapping[type, frozenset[str]]] = {
    Endpoint: frozenset({"address", "port"}),
    Admin: frozenset({"address", "port"}),
    Pool: frozenset({"name", "recipe"}),
    Service: frozenset({"name", "versions", "wishes", "former"}),
    DesiredState: frozenset({"environment", "generation"}),
}
"""Fields of the model that are no keys of their own in a file."""


def _flatten(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, _Leaf]]:
    """Give every key below `value`, a part of the model."""
    if isinstance(value, Endpoint | Admin):
        yield (*path, "listen"), _Leaf(f"{value.address}:{value.port}")
    elif isinstance(value, Service):
        for version, instances in value.versions.items():
            yield (*path, "version", version, "instances"), _Leaf(str(instances))
        for version, wish in value.wishes.items():
            weight = "" if wish.weight is None else str(wish.weight)
            yield (*path, "version", version, "weight"), _Leaf(weight, is_default=not weight)
            matches = ", ".join(f"{match.carrier} {match.name} = {match.value}" for match in wish.matches)
            yield (*path, "version", version, "match"), _Leaf(matches, is_default=not matches)
    elif isinstance(value, Pool):
        yield from _flatten(path, value.recipe)
    elif isinstance(value, DesiredState):
        yield (*path, "environment", "name"), _Leaf(value.environment)
    for field in fields(value):
        if field.name in _WRITTEN_OTHERWISE.get(type(value), ()):
            continue
        place, inner = (*path, _RENAMED.get(field.name, field.name)), getattr(value, field.name)
        if is_dataclass(inner):
            yield from _flatten(place, inner)
        elif isinstance(inner, Mapping):
            for name, item in inner.items():
                yield from _flatten((*place, name), item) if is_dataclass(item) else [((*place, name), _Leaf(item))]
        else:
            writer = _WRITERS.get(str(field.type).removesuffix(" | None"), _text)
            text = writer(inner) if inner is not None else ""
            yield place, _Leaf(text, is_default=inner == field.default)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else str(value)
