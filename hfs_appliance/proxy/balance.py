"""Which proxies stand behind the load balancer: what is heard of them -> the full set of members that it should have.

A proxy that tells that it serves what it should is in, at once. Every other one is out for a reason with a name, by the
ordered table below: first match wins. Out means weight 0 first, which lets open connections end; only what is gone for
good leaves the set, a drain later. Silence is no death: it takes our own probe as a second witness, and while the load
balancer's monitor contradicts that, or the proxy does answer (it serves an old table then), half of the proxies keep
their traffic whatever is believed of them. While no proxy tells that it serves, nobody is taken out at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

from hfs_appliance.model.balancer import FULL_WEIGHT, BalancerMember, BalancerState, BalancerView, Place, member_set
from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.model.observed import InstanceStatus, RegistryView
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.probes import Probe
from hfs_appliance.model.traffic import ProxyServes, ProxyState

SCOPE: Final = "balancer"
SILENT: Final = "silent"
"""The condition of a place of which nothing is heard, for certain: the registry is in sight and whole."""
LEFT: Final = "left"
"""The condition of such a place of which the last that was heard is that it leaves."""
UNSEEN: Final = "unseen"
"""The condition of such a place while the registry is not."""

BAD_PROBES: Final = 3
"""In a row, that make a witness: one may be lost on its way."""
_ORDER: Final = tuple(ProxyState)
"""Of two entries for one place the one that says most for it counts: the other one is of a former life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What must be remembered from one look to the next; a leader begins with nothing, and waits anew."""

    conditions: Mapping[Place, tuple[str, Instant]] = field(default_factory=dict)
    """What is heard of each place, and since when."""
    idle_since: Mapping[Place, Instant] = field(default_factory=dict)
    """Since when weight 0 has been in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is known now."""

    now: Instant
    balancer: BalancerView
    proxies: Mapping[str, ProxyServes]
    is_whole: bool
    """Whether a proxy that is not named here is silent for certain: the registry is in sight, no recovery goes on."""
    drain: Duration
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """Of the places of which nothing is heard, by `address:port`."""
    held_by: Hold | None = None
    """An operator's order that nothing be taken away."""


class Standing(NamedTuple):
    """What is believed of one place."""

    place: Place
    rule: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The answer."""

    members: tuple[BalancerMember, ...]
    standings: tuple[Standing, ...]
    """Sorted by place."""
    holds: tuple[Hold, ...]
    to_probe: tuple[Place, ...]
    memory: Memory
    requeue_at: Instant | None
    """When time alone may change the answer."""


class _Facts(NamedTuple):
    place: Place
    condition: str
    since: Instant
    words: str
    probe: Probe | None
    is_answering: bool
    """In the words of the load balancer's own monitor."""


_Test: TypeAlias = Callable[[_Facts], bool]


class _Row(NamedTuple):
    rule: str
    test: _Test
    patience: Duration
    """The condition must last so long before anything follows from it."""
    words: str
    is_certain: bool = False
    """Whether it needs no floor."""
    is_for_good: bool = False
    """Whether nobody comes back to this place."""


def _is(condition: str) -> _Test:
    return lambda facts: facts.condition == condition


def _is_dark(facts: _Facts) -> bool:
    return facts.condition == SILENT and facts.probe is not None and facts.probe.failures >= BAD_PROBES


def _is_dead(facts: _Facts) -> bool:
    return _is_dark(facts) and not facts.is_answering


def _is_adrift(facts: _Facts) -> bool:
    return facts.condition == SILENT and facts.probe is not None and facts.probe.answer.is_healthy


_ROWS: Final = (
    # An ordered end: its own word, and its process ends when the drain is over.
    _Row("leaving", _is(ProxyState.LEAVING), seconds(0), "it is about to end", is_certain=True, is_for_good=True),
    _Row("left", _is(LEFT), seconds(0), "it has left", is_certain=True, is_for_good=True),
    # G6: its own agent says that nothing answers there; a proxy that has just died is started again within a second.
    _Row("down", _is(ProxyState.DOWN), seconds(5), "its proxy does not run", is_certain=True),
    # G2, G3: it serves, but not what it should. All of them at once would be a fault of the table, not of the proxies.
    _Row("behind", _is(ProxyState.BEHIND), seconds(30), "it does not take the routes"),
    # V5: its host is gone. The registry and our own probe agree, and the load balancer's monitor does not know better.
    _Row(
        "dead",
        _is_dead,
        seconds(15),
        "nobody hears of it, and it does not answer",
        is_certain=True,
        is_for_good=True,
    ),
    # N2: we do not reach it, and the load balancer does: perhaps it is we who are cut off.
    _Row("unreached", _is_dark, seconds(60), "it answers the load balancer, and neither us nor the registry"),
    # N5, X1: nginx goes on with its last table while nobody tells it of changes; ever more of it is wrong (V11).
    _Row("adrift", _is_adrift, seconds(60), "it serves, and hears of no change of the routes"),
)


def balance(sight: Sight, memory: Memory) -> Balance:
    """Give the members that the load balancer should have."""
    weights = {member.place: member.weight for member in sight.balancer.members}
    heard = _heard(sight.proxies.values())
    memory = _remembered(sight, memory, heard, weights)
    facts = [_facts(place, sight, memory, heard) for place in sorted(memory.conditions)]
    serving = [each.place for each in facts if each.condition == ProxyState.SERVES]
    rows = {each.place: _row(each, sight.now) for each in facts}
    wanted = weights | dict.fromkeys(serving, FULL_WEIGHT)
    holds: list[Hold] = []
    out = {place: row for place, row in rows.items() if row is not None and wanted.get(place, 0) > 0}
    kept = _kept(sight, serving, rows, out, holds)
    for place in out.keys() - kept:
        wanted[place] = 0
    for place in _gone(sight, memory, rows, weights) if serving and sight.held_by is None else ():
        del wanted[place]
    return Balance(
        members=member_set(wanted),
        standings=tuple(_standing(each, rows[each.place], is_kept=each.place in kept) for each in facts),
        holds=tuple(holds),
        to_probe=tuple(each.place for each in facts if each.condition == SILENT),
        memory=memory,
        requeue_at=min(_moments(sight, memory, facts), default=None),
    )


def told_of(view: RegistryView) -> Mapping[str, ProxyServes]:
    """Give what proxies tell, those that drain as such: servers with the role of a proxy drain as all others do."""
    leaving = {
        name
        for entries in view.registrations.values()
        for name in view.proxies
        if name in entries and entries[name].status is InstanceStatus.DRAINING
    }
    return {
        name: replace(proxy, state=ProxyState.LEAVING) if name in leaving else proxy
        for name, proxy in view.proxies.items()
    }


def _heard(proxies: Iterable[ProxyServes]) -> Mapping[Place, ProxyServes]:
    """Give what is told of each place; a proxy that tells no place stands behind no load balancer."""
    ordered = sorted(proxies, key=lambda proxy: (-_ORDER.index(proxy.state), proxy.proxy))
    return {Place(proxy.address, proxy.port): proxy for proxy in ordered if proxy.address}


def _remembered(
    sight: Sight, memory: Memory, heard: Mapping[Place, ProxyServes], weights: Mapping[Place, int]
) -> Memory:
    now, conditions, idle_since = sight.now, {}, {}
    for place in heard.keys() | weights.keys():
        silence = SILENT if sight.is_whole else UNSEEN
        condition = heard[place].state.value if place in heard else silence
        former, since = memory.conditions.get(place, ("", now))
        if condition == SILENT and former in (ProxyState.LEAVING, LEFT):
            condition = LEFT
        conditions[place] = (condition, since if former == condition else now)
    for place, weight in weights.items():
        # While a change is under way, what is told may be what is wanted: not what is in force.
        if weight == 0 and (place in memory.idle_since or sight.balancer.state is not BalancerState.PENDING):
            idle_since[place] = memory.idle_since.get(place, now)
    return Memory(conditions=conditions, idle_since=idle_since)


def _facts(place: Place, sight: Sight, memory: Memory, heard: Mapping[Place, ProxyServes]) -> _Facts:
    condition, since = memory.conditions[place]
    return _Facts(
        place=place,
        condition=condition,
        since=since,
        words=heard[place].words if place in heard else "",
        probe=sight.probes.get(str(place)),
        is_answering=place in sight.balancer.answering,
    )


def _row(facts: _Facts, now: Instant) -> _Row | None:
    """Give the first row that fits, once it has for long enough; None: nothing is to be done about it now."""
    found = next((row for row in _ROWS if row.test(facts)), None)
    return found if found is not None and now >= after(facts.since, found.patience) else None


def _kept(
    sight: Sight,
    serving: list[Place],
    rows: Mapping[Place, _Row | None],
    out: Mapping[Place, _Row],
    holds: list[Hold],
) -> frozenset[Place]:
    """Give those that keep their traffic though they should not have it, and say why in `holds`."""
    if not out:
        return frozenset()
    if not serving:
        words = f"no proxy tells that it serves: {_names(out)} would be out, and nobody is in their place"
        holds.append(Hold(scope=SCOPE, rule="balancer-no-proxy", words=words, amount=len(out)))
        return frozenset(out)
    if sight.held_by is not None:
        words = f"{sight.held_by.words}; {_names(out)} should leave the load balancer"
        holds.append(Hold(scope=SCOPE, rule=sight.held_by.rule, words=words, until=sight.held_by.until))
        return frozenset(out)
    doubtful = [place for place, row in sorted(out.items()) if not row.is_certain]
    # Those out for certain do not count: half of what is left is what must be left of it.
    counted = [place for place, row in rows.items() if row is None or not row.is_certain]
    carrying = [place for place in counted if place in serving or _weighs(sight, place)]
    spared = max(0, len(carrying) - -(-len(counted) // 2))
    kept = frozenset(doubtful[spared:])
    if kept:
        words = f"{_names(kept)} should be out, but fewer than half of the {len(counted)} proxies would be left"
        holds.append(Hold(scope=SCOPE, rule="balancer-half", words=words, amount=len(kept)))
    return kept


def _weighs(sight: Sight, place: Place) -> bool:
    return any(member.place == place and member.weight > 0 for member in sight.balancer.members)


def _gone(
    sight: Sight, memory: Memory, rows: Mapping[Place, _Row | None], weights: Mapping[Place, int]
) -> Iterator[Place]:
    """Give those that leave the set: gone for good, and without new connections for as long as the drain lasts."""
    for place, weight in weights.items():
        row, idle_since = rows[place], memory.idle_since.get(place)
        is_leaving = weight == 0 and row is not None and row.is_for_good
        if is_leaving and idle_since is not None and sight.now >= after(idle_since, sight.drain):
            yield place


def _standing(facts: _Facts, row: _Row | None, *, is_kept: bool) -> Standing:
    if facts.condition == ProxyState.SERVES:
        return Standing(facts.place, "serves", "serves what it should")
    if row is None:
        said = facts.words or ("nothing is heard of it" if facts.condition in (SILENT, UNSEEN) else "")
        return Standing(facts.place, facts.condition, said)
    words = f"{row.words}: {facts.words}" if facts.words else row.words
    return Standing(facts.place, row.rule, f"{words}; it keeps its traffic all the same" if is_kept else words)


def _moments(sight: Sight, memory: Memory, facts: Iterable[_Facts]) -> Iterator[Instant]:
    """Give the instants at which a patience or a drain ends."""
    for each in facts:
        row = next((row for row in _ROWS if row.test(each)), None)
        moments = [after(each.since, row.patience)] if row is not None else []
        if each.place in memory.idle_since:
            moments.append(after(memory.idle_since[each.place], sight.drain))
        yield from (moment for moment in moments if moment > sight.now)


def _names(places: Iterable[Place]) -> str:
    return ", ".join(map(str, sorted(places)))
