"""Whoever is kept back with others alike is answered for as if it had been asked about alone: plan for plan.

Tokens are either all spent or enough for all: who gets the last one is a matter of turns, and whoever is kept back with
others takes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.model.guard import DestroyBudget, Quarantine
from hfs_appliance.model.ids import AvailabilityZone, ServerId
from hfs_appliance.model.instants import HOUR, MINUTE, Duration, after
from hfs_appliance.model.ledger import Token
from hfs_appliance.model.orders import Approval, Orders, Restraint
from hfs_appliance.model.plan import Action, Plan
from hfs_appliance.model.probes import Answer, Probe, Pulse
from sim.worlds import ZONES, Fleet, desired

LONG: Final = Duration(6 * MINUTE)
SIZES: Final = {"dns": {"1": 12}, "domains": {"1": 9}, "mail": {"1": 6}}
WANTED: Final = st.sampled_from(
    [
        SIZES,
        {"dns": {"1": 6}, "domains": {"1": 9}, "mail": {"1": 6}},
        {"dns": {"1": 2}, "domains": {"1": 2}},
    ]
)
FATES: Final = st.lists(
    st.sampled_from([*["well"] * 6, "silent", "dead", "vanished", "failed"]), min_size=1, max_size=7
)
"""Of the servers, again and again."""
SCOPES: Final = ("environment", "service/dns", "service/mail", "server/small-0004", "pool/small")


def settled() -> Fleet:
    fleet = Fleet(desired=desired(SIZES, pool_size=3))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


STANDING: Final = settled()


@settings(max_examples=120, deadline=None)
@given(
    wanted=WANTED,
    fates=FATES,
    dark=st.sampled_from([(), ZONES[:1], ZONES[:2]]),
    is_spent=st.booleans(),
    tokens=st.dictionaries(st.integers(1, 30), st.sampled_from([Duration(0), Duration(MINUTE), HOUR]), max_size=6),
    held=st.sampled_from([None, None, *SCOPES]),
    approved=st.sampled_from([None, "environment", "service/dns"]),
    busy=st.lists(st.integers(0, 60), max_size=4),
    quarantine=st.integers(0, 2),
)
def test_one_answer_for_all_in_the_same_plight_is_the_answer_for_each(
    wanted: Mapping[str, Mapping[str, int]],
    fates: Sequence[str],
    dark: Sequence[AvailabilityZone],
    *,
    is_spent: bool,
    tokens: Mapping[int, Duration],
    held: str | None,
    approved: str | None,
    busy: Sequence[int],
    quarantine: int,
) -> None:
    fleet = deepcopy(STANDING)
    befall(fleet, fates, dark)
    servers = sorted(fleet.records)
    now = fleet.now
    spent = {
        servers[number % len(servers)]: Token(at=after(now, Duration(-age)), scope="service/dns", cause="scale-in")
        for number, age in tokens.items()
    }
    if is_spent:
        spent[servers[-1]] = Token(at=now, scope="pool/small", cause="pool-surplus")
    fleet.ledger = replace(fleet.ledger, tokens=spent)
    state = desired(wanted, pool_size=1)
    most = 1 if is_spent else 100
    guard = replace(
        state.guard, destroy_budget=DestroyBudget(min=most, max=most), quarantine=Quarantine(max=quarantine)
    )
    fleet.desired = replace(state, guard=guard)
    world = replace(
        fleet.world(),
        orders=Orders(
            restraints={held: Restraint(reason="look", author="eva", at=now)} if held is not None else {},
            approvals={approved: (Approval(rule="storm", author="eva", at=now),)} if approved is not None else {},
        ),
    )
    actions = decide(world).actions
    world = replace(world, in_flight=chosen(actions, busy))
    plan = decide(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft, "singular", lambda draft: {*draft.world.registry.value.records, *draft.world.in_flight})
        alone = decide(world)
    assert shown(plan) == shown(alone)
    assert in_order(plan) == in_order(alone)


def befall(fleet: Fleet, fates: Sequence[str], dark: Sequence[AvailabilityZone]) -> None:
    """Let servers meet their fates, long enough ago to be believed; those of a dark zone are silent."""
    servers = sorted(fleet.records)
    met = {server: fates[number % len(fates)] for number, server in enumerate(servers)}
    met |= {server: "silent" for server in servers if fleet.records[server].az in dark}
    for server, fate in met.items():
        record = fleet.records[server]
        if fate != "well":
            fleet.unregister(server)
        if fate == "dead":
            fleet.kill(server)
        elif fate == "vanished":
            del fleet.cloud[server]
        elif fate == "failed" and record.service is not None:
            failed_at = after(fleet.now, Duration(-MINUTE))
            fleet.records[server] = replace(record, ready_at=None, failed_at=failed_at, evidence="crashed")
    fleet.now = after(fleet.now, LONG)
    silence = Probe(answer=Answer(pulse=Pulse.DARK, words="no answer"), at=fleet.now, failures=9, darks=9)
    fleet.probes = {server: silence for server, fate in met.items() if fate in ("silent", "failed")}


def chosen(actions: Sequence[Action], indexes: Sequence[int]) -> Mapping[ServerId, Action]:
    """Let some actions of a plan be under way."""
    found = [actions[index % len(actions)] for index in indexes] if actions else []
    return {action.server: action for action in found}


def in_order(plan: Plan) -> Plan:
    """Give a plan without the order in which causes took their turns."""
    return replace(plan, actions=tuple(sorted(plan.actions, key=lambda action: action.server)))


def shown(plan: Plan) -> list[tuple[str, str, str]]:
    return [(hold.scope, hold.rule, hold.words) for hold in plan.holds]
