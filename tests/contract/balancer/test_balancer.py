"""What every LoadBalancer does: full sets, one change at a time, accepted first and carried out later."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

import pytest
import trio

from hfs_appliance.model.balancer import BalancerMember, BalancerState, BalancerView, Place, member_set
from hfs_appliance.ports.balancer import LoadBalancer
from hfs_appliance.ports.errors import Conflict, Fenced, Missing

if TYPE_CHECKING:
    from tests.contract.balancer.conftest import Door

    Still: TypeAlias = Callable[[], AbstractContextManager[None]]

A, B, C = (Place(f"10.0.0.{number}", 8080) for number in (1, 2, 3))
TWO = member_set({A: 1, B: 1})


async def settled(balancer: LoadBalancer) -> BalancerView:
    """Look until nothing is pending."""
    with trio.fail_after(60):
        while True:
            view = await balancer.look()
            if view.state is not BalancerState.PENDING:
                return view
            await trio.sleep(0.05)


async def standing(balancer: LoadBalancer, members: tuple[BalancerMember, ...] = TWO) -> None:
    await balancer.create(members)
    assert (await settled(balancer)).state is BalancerState.ACTIVE


def forbidden() -> None:
    raise Fenced("not now")


async def test_at_first_there_is_none(balancer: LoadBalancer) -> None:
    assert await balancer.look() == BalancerView(state=BalancerState.ABSENT)


async def test_it_is_made_with_its_members(balancer: LoadBalancer) -> None:
    await balancer.create(TWO)
    view = await settled(balancer)
    assert (view.state, view.members) == (BalancerState.ACTIVE, TWO)
    assert view.address
    assert view.name


async def test_another_client_sees_the_same(balancer: LoadBalancer, door: Door) -> None:
    await standing(balancer)
    assert await door().look() == await balancer.look()


async def test_a_change_is_accepted_first_and_carried_out_later(balancer: LoadBalancer, still: Still) -> None:
    await standing(balancer)
    with still():
        await balancer.replace(member_set({A: 0, C: 1}))
        assert (await balancer.look()).state is BalancerState.PENDING
    view = await settled(balancer)
    assert (view.state, view.members) == (BalancerState.ACTIVE, ((A, 0), (C, 1)))


async def test_the_set_is_the_whole_set(balancer: LoadBalancer) -> None:
    await standing(balancer)
    await balancer.replace(member_set({B: 1}))
    assert (await settled(balancer)).members == ((B, 1),)
    await balancer.replace(())
    assert (await settled(balancer)).members == ()


async def test_the_same_set_again_is_fine(balancer: LoadBalancer) -> None:
    await standing(balancer)
    await balancer.replace(TWO)
    assert (await settled(balancer)).members == TWO


async def test_one_change_at_a_time(balancer: LoadBalancer, door: Door, still: Still) -> None:
    await standing(balancer)
    with still():
        await balancer.replace(member_set({A: 1}))
        for other in (balancer, door()):
            with pytest.raises(Conflict):
                await other.replace(member_set({C: 1}))
        with pytest.raises(Conflict):
            await balancer.delete()
    assert (await settled(balancer)).members == ((A, 1),)


async def test_a_second_one_is_not_made(balancer: LoadBalancer, door: Door) -> None:
    await standing(balancer)
    with pytest.raises(Conflict):
        await door().create(member_set({C: 1}))
    assert (await settled(balancer)).members == TWO


async def test_it_is_removed_with_all_that_belongs_to_it(balancer: LoadBalancer) -> None:
    await standing(balancer)
    await balancer.delete()
    assert await settled(balancer) == BalancerView(state=BalancerState.ABSENT)
    await standing(balancer, member_set({C: 1}))


async def test_what_is_not_there_cannot_be_changed(balancer: LoadBalancer) -> None:
    with pytest.raises(Missing):
        await balancer.replace(TWO)
    with pytest.raises(Missing):
        await balancer.delete()


async def test_the_one_that_counts_is_not_swept(balancer: LoadBalancer) -> None:
    await standing(balancer)
    await balancer.sweep()
    view = await balancer.look()
    assert (view.state, view.members, view.spares) == (BalancerState.ACTIVE, TWO, 0)


async def test_without_a_permit_nothing_is_done(balancer: LoadBalancer) -> None:
    with pytest.raises(Fenced):
        await balancer.create(TWO, permit=forbidden)
    assert (await balancer.look()).state is BalancerState.ABSENT
    await standing(balancer)
    with pytest.raises(Fenced):
        await balancer.replace((), permit=forbidden)
    with pytest.raises(Fenced):
        await balancer.delete(permit=forbidden)
    assert (await balancer.look()).members == TWO
