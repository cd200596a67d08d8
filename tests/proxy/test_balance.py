"""Which proxies stand behind the load balancer: a sight in, a full set of members out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hfs_appliance.model.balancer import BalancerMember, BalancerState, BalancerView, Place, member_set
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Instant, after, seconds
from hfs_appliance.model.observed import InstanceStatus, Registration, RegistryView
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.probes import Answer, Probe, Pulse
from hfs_appliance.model.traffic import ProxyServes, ProxyState
from hfs_appliance.proxy.balance import Balance, Memory, Sight, balance, told_of

NOW = Instant(1_000_000_000_000)
DRAIN = seconds(30)
A, B, C, D = (Place(f"10.0.0.{number}", 80) for number in (1, 2, 3, 4))
GOOD = Answer(pulse=Pulse.ALIVE, words="200")
DARK = Answer(pulse=Pulse.DARK, words="no connection")


def probed(answer: Answer, failures: int) -> Probe:
    return Probe(answer=answer, at=NOW, failures=failures, darks=failures)


class Looks:
    """A leader that looks again and again at proxies and load balancer; what it asks for is in force at once."""

    def __init__(self, **members: int) -> None:
        self.now = NOW
        self.members = member_set({Place(f"10.0.0.{name[1:]}", 80): weight for name, weight in members.items()})
        self.heard: dict[Place, ProxyState] = {}
        self.probes: dict[str, Probe] = {}
        self.answering: frozenset[Place] = frozenset()
        self.state = BalancerState.ACTIVE
        self.is_whole = True
        self.held_by: Hold | None = None
        self.memory = Memory()

    def look(self, span: float = 0) -> Balance:
        self.now = after(self.now, seconds(span))
        proxies = {
            str(place): ProxyServes(proxy=str(place), address=place.address, port=place.port, state=state, words="why")
            for place, state in self.heard.items()
        }
        view = BalancerView(state=self.state, members=self.members, answering=self.answering, name="edge")
        sight = Sight(
            now=self.now,
            balancer=view,
            proxies=proxies,
            is_whole=self.is_whole,
            drain=DRAIN,
            probes=self.probes,
            held_by=self.held_by,
        )
        answer = balance(sight, self.memory)
        self.memory = answer.memory
        if self.state is BalancerState.ACTIVE:
            self.members = answer.members
        return answer

    def hear(self, *places: Place, state: ProxyState = ProxyState.SERVES) -> None:
        self.heard.update(dict.fromkeys(places, state))

    def lose(self, *places: Place, answer: Answer = DARK) -> None:
        """Let nothing be heard of some any more, and probes find this."""
        for place in places:
            self.heard.pop(place, None)
            self.probes[str(place)] = probed(answer, 0 if answer is GOOD else 3)

    @property
    def weights(self) -> Mapping[Place, int]:
        return dict(self.members)

    def rules(self, answer: Balance) -> list[str]:
        return [standing.rule for standing in answer.standings]


def test_whoever_serves_is_in_at_once() -> None:
    looks = Looks()
    looks.hear(A, B)
    answer = looks.look()
    assert answer.members == (BalancerMember(A, 1), BalancerMember(B, 1))
    assert (answer.holds, answer.requeue_at) == ((), None)


def test_a_proxy_that_tells_no_place_is_nobodys_member() -> None:
    sight = Sight(
        now=NOW,
        balancer=BalancerView(state=BalancerState.ABSENT),
        proxies={"edge": ProxyServes(proxy="edge")},
        is_whole=True,
        drain=DRAIN,
    )
    assert balance(sight, Memory()).members == ()


def test_the_dead_get_weight_0_first_and_leave_a_drain_later() -> None:
    looks = Looks(p1=1, p2=1)
    looks.hear(A)
    looks.lose(B)
    first = looks.look()
    assert looks.weights == {A: 1, B: 1}
    assert (first.to_probe, first.requeue_at) == ((B,), after(NOW, seconds(15)))
    assert looks.look(15).members == ((A, 1), (B, 0))
    looks.look(1)
    assert looks.look(29).members == ((A, 1), (B, 0))
    answer = looks.look(1)
    assert answer.members == ((A, 1),)
    assert looks.rules(answer) == ["serves", "dead"]


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_too_few_bad_answers_are_no_death(failures: int) -> None:
    looks = Looks(p1=1, p2=1)
    looks.hear(A)
    looks.probes[str(B)] = probed(DARK, failures)
    looks.look()
    assert looks.look(3600).members == ((A, 1), (B, 1))


def test_silence_while_the_registry_is_out_of_sight_says_nothing() -> None:
    looks = Looks(p1=1, p2=1)
    looks.hear(A)
    looks.lose(B)
    looks.is_whole = False
    looks.look()
    assert looks.look(3600).members == ((A, 1), (B, 1))
    looks.is_whole = True
    looks.look()
    assert looks.look(14).members == ((A, 1), (B, 1)), "the patience begins anew"
    assert looks.look(1).members == ((A, 1), (B, 0))


@pytest.mark.parametrize("state", [ProxyState.BEHIND, ProxyState.DOWN, ProxyState.LEAVING, None])
def test_the_last_one_is_never_taken_out(state: ProxyState | None) -> None:
    looks = Looks(p1=1, p2=1)
    if state is None:
        looks.lose(A, B)
    else:
        looks.hear(A, B, state=state)
    looks.look()
    answer = looks.look(3600)
    assert answer.members == ((A, 1), (B, 1))
    assert [(hold.rule, hold.amount) for hold in answer.holds] == [("balancer-no-proxy", 2)]


def test_all_that_are_dead_are_believed_while_one_serves() -> None:
    looks = Looks(p1=1, p2=1, p3=1, p4=1)
    looks.hear(A)
    looks.lose(B, C, D)
    looks.look()
    assert looks.look(15).members == ((A, 1), (B, 0), (C, 0), (D, 0))


def test_a_monitor_that_contradicts_keeps_half_of_them() -> None:
    looks = Looks(p1=1, p2=1, p3=1, p4=1)
    looks.hear(A)
    looks.lose(B, C, D)
    looks.answering = frozenset({B, C, D})
    looks.look()
    assert looks.look(59).members == ((A, 1), (B, 1), (C, 1), (D, 1))
    answer = looks.look(1)
    assert answer.members == ((A, 1), (B, 0), (C, 0), (D, 1))
    assert [hold.rule for hold in answer.holds] == ["balancer-half"]
    assert looks.rules(answer) == ["serves", "unreached", "unreached", "unreached"]


def test_half_stays_half_however_long_it_lasts() -> None:
    looks = Looks(p1=1, p2=1, p3=1, p4=1)
    looks.hear(A)
    looks.lose(B, C, D, answer=GOOD)
    for _ in range(10):
        looks.look(60)
    assert looks.weights == {A: 1, B: 0, C: 0, D: 1}


def test_whoever_refuses_the_table_alone_is_out_and_back_when_it_takes_it() -> None:
    looks = Looks(p1=1, p2=1, p3=1)
    looks.hear(A, B)
    looks.hear(C, state=ProxyState.BEHIND)
    looks.look()
    assert looks.look(29).members == ((A, 1), (B, 1), (C, 1))
    answer = looks.look(1)
    assert answer.members == ((A, 1), (B, 1), (C, 0))
    assert answer.standings[2].words == "it does not take the routes: why"
    looks.look(600)
    assert C in looks.weights, "it is there, and comes back: only what is gone for good leaves the set"
    looks.hear(C)
    assert looks.look().members == ((A, 1), (B, 1), (C, 1))


def test_a_table_that_all_refuse_takes_nobody_out() -> None:
    looks = Looks(p1=1, p2=1)
    looks.hear(A, B, state=ProxyState.BEHIND)
    looks.look()
    assert looks.look(60).members == ((A, 1), (B, 1))


def test_whoever_leaves_in_order_is_drained_and_gone() -> None:
    looks = Looks(p1=1, p2=1)
    looks.hear(A)
    looks.hear(B, state=ProxyState.LEAVING)
    assert looks.look().members == ((A, 1), (B, 0))
    looks.look()
    assert looks.look(30).members == ((A, 1),)


def test_who_has_left_is_out_whatever_the_monitor_says() -> None:
    looks = Looks(p1=1, p2=1)
    looks.hear(A)
    looks.hear(B, state=ProxyState.LEAVING)
    looks.look()
    looks.lose(B, answer=GOOD)
    looks.answering = frozenset({B})
    looks.look()
    answer = looks.look(30)
    assert answer.members == ((A, 1),)
    assert looks.rules(answer) == ["serves", "left"]


def test_weight_0_counts_only_once_it_is_in_force() -> None:
    looks = Looks(p1=1, p2=0)
    looks.hear(A)
    looks.hear(B, state=ProxyState.LEAVING)
    looks.state = BalancerState.PENDING
    assert looks.look().members == ((A, 1), (B, 0))
    assert looks.look(60).members == ((A, 1), (B, 0))
    looks.state = BalancerState.ACTIVE
    assert looks.look().members == ((A, 1), (B, 0))
    assert looks.look(30).members == ((A, 1),)


def test_of_two_entries_for_one_place_the_better_one_counts() -> None:
    def entry(state: ProxyState) -> ProxyServes:
        return ProxyServes(proxy=state.value, address=A.address, port=A.port, state=state)

    sight = Sight(
        now=NOW,
        balancer=BalancerView(state=BalancerState.ACTIVE),
        proxies={state.value: entry(state) for state in ProxyState},
        is_whole=True,
        drain=DRAIN,
    )
    assert balance(sight, Memory()).members == ((A, 1),)


def test_an_operators_hold_keeps_everybody() -> None:
    looks = Looks(p1=1, p2=1, p3=0)
    looks.held_by = Hold(scope="environment", rule="operator-hold", words="held by ann: we look")
    looks.hear(A)
    looks.lose(B, C)
    looks.look()
    answer = looks.look(3600)
    assert answer.members == ((A, 1), (B, 1), (C, 0))
    assert [hold.words for hold in answer.holds] == ["held by ann: we look; 10.0.0.2:80 should leave the load balancer"]
    looks.held_by = None
    assert looks.look().members == ((A, 1), (B, 0))


def test_what_does_not_change_gives_equal_answers() -> None:
    looks = Looks(p1=1)
    looks.hear(A)
    assert looks.look().members == looks.look(1).members
    assert looks.memory.conditions == {A: ("serves", NOW)}


@pytest.mark.parametrize(
    ("status", "state"),
    [(InstanceStatus.UP, ProxyState.SERVES), (InstanceStatus.DRAINING, ProxyState.LEAVING)],
)
def test_a_server_that_drains_is_a_proxy_that_leaves(status: InstanceStatus, state: ProxyState) -> None:
    edge = ServiceName("edge")
    entry = Registration(
        service=edge, instance="edge-1", version=Version("1"), address=A.address, port=A.port, status=status
    )
    proxies = {name: ProxyServes(proxy=name, address=A.address, port=A.port) for name in ("edge-1", "mcp")}
    told = told_of(RegistryView(proxies=proxies, registrations={edge: {"edge-1": entry}}))
    assert (told["edge-1"].state, told["mcp"].state) == (state, ProxyState.SERVES)
