"""Checks of what a file says of upgrades, and of who of several versions gets which requests. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hfs_appliance.config import percents
from hfs_appliance.config.keys import KeyPath, quote
from hfs_appliance.config.mistakes import Finding
from hfs_appliance.model.desired import Service
from hfs_appliance.model.traffic import Carrier, SplitBy


def upgrades(service: Service) -> Iterator[Finding]:
    """Give what does not go together."""
    path: KeyPath = ("service", service.name)
    yield from _steps(service, (*path, "rollout", "steps"))
    yield from _split(service, (*path, "rollout", "split"))
    yield from _weights(service, (*path, "version"))
    yield from _matches(service, (*path, "version"))


def _steps(service: Service, path: KeyPath) -> Iterator[Finding]:
    weights = [step.weight for step in service.rollout.steps]
    for index, (before, weight) in enumerate(pairwise(weights), 1):
        if weight <= before:
            words = f"{percents.write_tenths(weight)} does not rise above {percents.write_tenths(before)} before it"
            yield Finding(path=(*path, index, "weight"), words=words)


def _split(service: Service, path: KeyPath) -> Iterator[Finding]:
    key = service.rollout.key
    if (key.by is SplitBy.COOKIE) is not bool(key.cookie):
        words = "needs the name of its cookie" if not key.cookie else f"means nothing with by = {quote(key.by)}"
        yield Finding(path=(*path, "cookie"), words=words, others=((*path, "by"),))


def _weights(service: Service, path: KeyPath) -> Iterator[Finding]:
    """Check that weights can be compared: all versions have one, or none but those that are to get nothing."""
    weights = {version: wish.weight for version, wish in service.wishes.items() if wish.weight is not None}
    without = sorted(service.versions.keys() - weights.keys())
    paths = tuple((*path, version, "weight") for version in sorted(weights))
    if any(weights.values()) and without:
        words = f"version {quote(without[0])} has no weight to be compared with"
        yield Finding(path=paths[0], words=words, hint="give all versions a weight, or none", others=paths[1:])
    elif weights and not any(weights.values()) and not without:
        yield Finding(path=paths[0], words="no version would get any request", others=paths[1:])


def _matches(service: Service, path: KeyPath) -> Iterator[Finding]:
    seen: dict[tuple[Carrier, str, str], KeyPath] = {}
    for version, wish in sorted(service.wishes.items()):
        for index, match in enumerate(wish.matches):
            place: KeyPath = (*path, version, "match", index)
            key = match.carrier, match.name.lower(), match.value.lower()
            if not match.name:
                yield Finding(path=place, words="names no header and no cookie")
            elif key in seen:
                words = f"{match.carrier} {match.name} = {match.value} is matched twice"
                yield Finding(path=place, words=words, others=(seen[key],))
            seen.setdefault(key, place)
