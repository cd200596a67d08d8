"""How one route's requests are divided, in nginx's terms: upstreams, the draw by weight, the matches before it.

A divided request takes three steps, each a variable: matches are looked at in order, the first one that fits names the
upstream; what none has taken is drawn by weight. Names are made of the service's name, which has no `_` and no `.`:
they cannot meet those of another service. Everybody that a request may reach stands in each upstream, those of other
versions as `backup`: a version whose instances all fail loses no request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.traffic import COOKIE, WHOLE, Carrier, Match, SplitBy, SplitKey, is_match
from hfs_appliance.proxy.table import Group, Member, OddField, Route

_VARIABLE: Final = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Reference:
    """An nginx variable, with text before it."""

    variable: str
    before: str = ""

    def __post_init__(self) -> None:
        assert _VARIABLE.fullmatch(self.variable), self.variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One upstream block."""

    name: str
    members: tuple[Member, ...]
    standby: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Give the number of servers."""
        return len(self.members) + len(self.standby)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a draw is made from."""

    salted: Reference
    """With the service before it: a client that is first here is not first everywhere."""
    sticky: Reference | None = None
    """A variable that may be empty; then each request is drawn for itself."""
    drawn_from: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """One line of split_clients."""

    share: str
    upstream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One match, and what decides when it does not fit."""

    given: Reference
    value: str
    upstream: str
    chosen: Reference
    otherwise: Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """One divided route."""

    key: Key
    drawn: Reference
    portions: tuple[Portion, ...]
    choices: tuple[Choice, ...]
    """Last one first: nginx does not mind, and each names only what stands above it."""
    target: Reference


def upstreams(route: Route) -> Iterator[Upstream]:
    """Give the upstreams of a route: one for each group, or one for all members."""
    if not route.groups:
        if route.members:
            yield Upstream(name=f"service-{route.service}", members=route.members, standby=route.standby)
        return
    for index, group in enumerate(route.groups):
        own = tuple(member for member in route.members if member.version == group.version)
        others = tuple(member for member in route.members if member.version != group.version)
        yield Upstream(name=_upstream(route, index), members=own, standby=(*others, *route.standby))


def division(route: Route) -> Division:
    """Give the division of a route that has groups."""
    stem = route.service.replace("-", "_")
    drawn = Reference(f"hfs_drawn_{stem}")
    matches = [(index, match) for index, group in enumerate(route.groups) for match in group.matches]
    choices: list[Choice] = []
    decided = drawn
    for number, (index, match) in reversed(list(enumerate(matches))):
        chosen = Reference(f"hfs_match_{stem}_{number}")
        choices.append(
            Choice(
                given=_given(match),
                value=f"={match.value}",
                upstream=_upstream(route, index),
                chosen=chosen,
                otherwise=decided,
            )
        )
        decided = chosen
    return Division(
        key=_key(route, stem),
        drawn=drawn,
        portions=tuple(_portions(route)),
        choices=tuple(choices),
        target=Reference(decided.variable, before="http://"),
    )


def check_groups(route: Route) -> None:
    """Hold the division of a route against its grammar. Errors: OddField."""
    if not route.groups:
        return
    versions = {member.version for member in route.members}
    if versions != {group.version for group in route.groups} or len(versions) != len(route.groups):
        raise OddField(f"{route.service}: groups and versions of the members differ")
    if any(group.weight < 0 for group in route.groups) or sum(group.weight for group in route.groups) != WHOLE:
        raise OddField(f"{route.service}: the weights are not {WHOLE} together")
    for match in (match for group in route.groups for match in group.matches):
        if not is_match(match):
            raise OddField(f"{route.service}: match {match.name[:80]!r} = {match.value[:80]!r}")
    if route.key.by is SplitBy.COOKIE and not COOKIE.fullmatch(route.key.cookie):
        raise OddField(f"{route.service}: cookie {route.key.cookie[:80]!r}")


def _upstream(route: Route, index: int) -> str:
    return f"service-{route.service}.{index}"


def _given(match: Match) -> Reference:
    """Give the variable that a match looks at; the sign keeps `default` and the like from meaning more than text."""
    carrier = "http" if match.carrier is Carrier.HEADER else "cookie"
    return Reference(f"{carrier}_{match.name.lower().replace('-', '_')}", before="=")


def _key(route: Route, stem: str) -> Key:
    key: SplitKey = route.key
    match key.by:
        case SplitBy.REQUEST:
            return Key(salted=Reference("request_id"))
        case SplitBy.ADDRESS:
            return Key(salted=Reference("remote_addr", before=f"{route.service}:"))
        case SplitBy.COOKIE:
            drawn_from = Reference(f"hfs_key_{stem}")
            return Key(
                salted=Reference(drawn_from.variable, before=f"{route.service}:"),
                sticky=Reference(f"cookie_{key.cookie.lower()}"),
                drawn_from=drawn_from,
            )


def _portions(route: Route) -> Iterator[Portion]:
    """Give the weights in the order of the groups: a client that a growing weight has reached stays reached."""
    weighed = [(index, group) for index, group in enumerate(route.groups) if group.weight]
    for index, group in weighed[:-1]:
        yield Portion(share=_percent(group), upstream=_upstream(route, index))
    yield Portion(share="*", upstream=_upstream(route, weighed[-1][0]))


def _percent(group: Group) -> str:
    return f"{group.weight // 10}.{group.weight % 10}%"
