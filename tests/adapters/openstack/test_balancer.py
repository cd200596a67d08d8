"""Octavia as it is spoken to: what is sent, how often, and what is made of odd answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import trio

from hfs_appliance.adapters.openstack.balancer import OctaviaBalancer
from hfs_appliance.model.balancer import BalancerState, Place, member_set
from hfs_appliance.model.desired import BalancerSettings
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Missing, Rejected, Transient
from sim.balancer import Octavia
from sim.wire.openstack.balancer import Record
from sim.wire.openstack.http import Ending
from sim.wire.openstack.mishaps import Mishap
from sim.wire.openstack.whole import OpenStack
from tests.adapters.openstack.parts import ENVIRONMENT, sent
from tests.support.openstacks import octavia

A, B = Place("10.0.0.1", 8080), Place("10.0.0.2", 8080)
TWO = member_set({A: 1, B: 1})
CREATED = "/lbaas/loadbalancers"


@pytest.fixture
def balancer(clouds_file: Path) -> OctaviaBalancer:
    """Give a client."""
    return octavia(clouds_file, ENVIRONMENT)


async def stand(balancer: OctaviaBalancer) -> None:
    await balancer.create(TWO)
    with trio.fail_after(30):
        while True:
            if (await balancer.look()).state is BalancerState.ACTIVE:
                return
            await trio.sleep(0.02)


def only(fake: OpenStack) -> Octavia:
    (record,) = fake.balancers.records
    return record.octavia


async def test_it_is_made_whole_in_one_call(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    await balancer.create(TWO)
    (record,) = fake.balancers.records
    assert sent(fake, "POST", CREATED) == 1
    assert record.name == "hfs-pitfalls"
    (listener,), (pool,) = record.asked["listeners"], record.asked["pools"]
    assert (listener["protocol_port"], listener["default_pool"]) == (80, {"name": pool["name"]})
    assert pool["healthmonitor"]["url_path"] == "/-/health"
    assert [member["address"] for member in pool["members"]] == ["10.0.0.1", "10.0.0.2"]


async def test_a_creation_without_an_answer_is_looked_for_not_repeated(
    fake: OpenStack, balancer: OctaviaBalancer
) -> None:
    fake.cloud.mishaps.next("POST", CREATED, Mishap(ending=Ending.RESET, is_late=True))
    with pytest.raises(Ambiguous):
        await balancer.create(TWO)
    with pytest.raises(Conflict):
        await balancer.create(TWO)
    assert (sent(fake, "POST", CREATED), len(fake.balancers.records)) == (1, 1)


async def test_all_members_go_in_one_call_that_is_sent_once(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    await stand(balancer)
    fake.cloud.mishaps.next("PUT", "/members", Mishap(status=HTTPStatus.SERVICE_UNAVAILABLE))
    with pytest.raises(Ambiguous):
        await balancer.replace(member_set({A: 0}))
    assert sent(fake, "PUT", "/members") == 1
    assert only(fake).members == TWO


async def test_what_is_answered_online_is_told_so(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    await stand(balancer)
    only(fake)._answers = lambda place: place == A
    assert (await balancer.look()).answering == {A}


async def test_one_in_error_is_told_so(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    await stand(balancer)
    only(fake).state = BalancerState.ERROR
    view = await balancer.look()
    assert (view.state, view.members) == (BalancerState.ERROR, TWO)
    with pytest.raises(Conflict, match="immutable"):
        await balancer.replace(member_set({A: 1}))


async def stand_twice(fake: OpenStack, balancer: OctaviaBalancer) -> tuple[Record, Record]:
    """Have two, as after a creation that came late; the one that counts first."""
    await stand(balancer)
    first = fake.balancers.records[0]
    first.name, first.created = "hidden", "2026-01-01T00:00:00"
    await stand(balancer)
    first.name = balancer.name
    return first, fake.balancers.records[1]


async def test_of_two_that_hfs_has_made_the_oldest_stays(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    first, _ = await stand_twice(fake, balancer)
    assert (await balancer.look()).spares == 1
    await balancer.replace(member_set({A: 1}))
    await balancer.sweep()
    with trio.fail_after(30):
        while (await balancer.look()).spares:  # noqa: ASYNC110  # the cloud's doing
            await trio.sleep(0.02)
        while (await balancer.look()).state is not BalancerState.ACTIVE:  # noqa: ASYNC110  # the same
            await trio.sleep(0.02)
    assert fake.balancers.records == [first]
    assert first.octavia.members == member_set({A: 1})


async def test_a_second_one_that_takes_no_change_is_left_for_later(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    _, second = await stand_twice(fake, balancer)
    second.octavia.state = BalancerState.PENDING
    await balancer.sweep()
    assert sent(fake, "DELETE", CREATED) == 0
    second.octavia.state = BalancerState.ACTIVE
    fake.cloud.mishaps.next("DELETE", CREATED, Mishap(status=HTTPStatus.CONFLICT))
    await balancer.sweep()
    assert len(fake.balancers.records) == 2


async def test_both_go_with_the_environment(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    await stand_twice(fake, balancer)
    with trio.fail_after(30):
        while fake.balancers.records:
            with suppress(Conflict, Missing, Transient):  # one of them is being removed, or was since that look
                if (await balancer.look()).state is BalancerState.ACTIVE:
                    await balancer.delete()
            await trio.sleep(0.02)
    assert (await balancer.look()).state is BalancerState.ABSENT


async def test_two_of_one_name_are_nobodys_unless_hfs_has_made_both(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    first, _ = await stand_twice(fake, balancer)
    first.asked = {**first.asked, "description": "the front door"}
    with pytest.raises(Rejected, match="2 load balancers are called hfs-pitfalls: delete all but one of"):
        await balancer.sweep()
    with pytest.raises(Rejected, match="2 load balancers are called hfs-pitfalls: delete all but one of"):
        await balancer.look()


async def test_a_full_quota_is_weather(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    fake.balancers.quota = 0
    with pytest.raises(Exhausted, match="Quota"):
        await balancer.create(TWO)


async def test_a_network_that_nobody_knows_is_our_mistake(clouds_file: Path) -> None:
    with pytest.raises(Rejected, match="no network 'front'"):
        await octavia(clouds_file, ENVIRONMENT, BalancerSettings(network="front")).create(TWO)


async def test_one_that_goes_between_two_calls_is_gone(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    item = {"id": "1", "name": balancer.name, "provisioning_status": "PENDING_DELETE", "pools": [{"id": "2"}]}
    raw = json.dumps({"loadbalancers": [item]}).encode()
    fake.cloud.mishaps.next("GET", CREATED, Mishap(status=HTTPStatus.OK, raw=raw))
    assert (await balancer.look()).state is BalancerState.ABSENT


async def test_one_that_loses_its_pool_is_being_changed(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    await stand(balancer)
    fake.cloud.mishaps.next("GET", "/members", Mishap(status=HTTPStatus.NOT_FOUND))
    with pytest.raises(Transient, match="is being changed"):
        await balancer.look()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"loadbalancers": [{"id": "1"}]},
        {"loadbalancers": None},
    ],
)
async def test_an_answer_that_is_none_changes_nothing(
    fake: OpenStack, balancer: OctaviaBalancer, body: Mapping[str, Any]
) -> None:
    fake.cloud.mishaps.next("GET", CREATED, Mishap(status=HTTPStatus.OK, raw=json.dumps(body).encode()))
    with pytest.raises(Transient):
        await balancer.look()


async def test_one_without_a_pool_is_not_ours(fake: OpenStack, balancer: OctaviaBalancer) -> None:
    item = {"id": "1", "name": balancer.name, "provisioning_status": "ACTIVE", "pools": []}
    raw = json.dumps({"loadbalancers": [item]}).encode()
    fake.cloud.mishaps.next("GET", CREATED, Mishap(status=HTTPStatus.OK, raw=raw))
    with pytest.raises(Rejected, match="0 pools in place of one"):
        await balancer.look()
