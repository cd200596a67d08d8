"""Operators' orders in the registry: written with a version check, heard by everybody, dropped when expired."""

from __future__ import annotations

import pytest

from hfs_appliance.model.instants import HOUR, Instant, after
from hfs_appliance.model.orders import APPROVED_FOR, Approval, Orders, Restraint
from hfs_appliance.ports.errors import Conflict
from hfs_appliance.ports.registry import SetOp
from hfs_appliance.registry.formats import read_orders, write
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.orders import OrdersStore
from tests.support.parts import Bench, simulated


def store(bench: Bench) -> OrdersStore:
    return OrdersStore(bench.registry, bench.layout, clock=bench.clock, sink=bench.sink, dirty=Dirty())


async def stored(bench: Bench) -> Orders:
    return read_orders((await bench.registry.get(bench.layout.holds)).value)


@simulated
async def test_what_is_ordered_is_in_force_and_heard_by_others(bench: Bench) -> None:
    ours, theirs = store(bench), store(bench)
    await ours.hold("service/dns", "we look", "eva", None)
    await ours.approve("service/dns", "storm", "eva", 12)
    await ours.approve("service/dns", "storm", "ada", 3)
    theirs.hear(await bench.registry.get(bench.layout.holds))
    assert theirs.in_force() == ours.in_force() == await stored(bench)
    assert ours.in_force().approved("storm") == {"service/dns": 15}
    assert await ours.release("service/dns")
    assert not await ours.release("service/dns")
    assert ours.in_force() == await stored(bench) == Orders()


@simulated
async def test_what_has_expired_is_dropped_with_the_next_write(bench: Bench) -> None:
    now = bench.clock.now()
    approval = Approval(rule="storm", author="eva", at=Instant(now - APPROVED_FOR), amount=1)
    tonight = Restraint(reason="tonight", author="eva", at=now, until=now)
    old = Orders(restraints={"environment": tonight}, approvals={"service/dns": (approval,)})
    await bench.registry.create(bench.layout.holds, write(old))
    ours = store(bench)
    ours.hear(await bench.registry.get(bench.layout.holds))
    assert ours.in_force() == Orders()
    await ours.hold("pool/small", "spares", "eva", after(now, HOUR))
    assert await stored(bench) == ours.in_force()
    assert ours.in_force().restraints.keys() == {"pool/small"}


@simulated
async def test_an_entry_that_cannot_be_read_changes_nothing_and_is_told(bench: Bench) -> None:
    ours = store(bench)
    await ours.hold("service/dns", "we look", "eva", None)
    await bench.registry.set(bench.layout.holds, b"nonsense")
    ours.hear(await bench.registry.get(bench.layout.holds))
    assert ours.in_force().restraints.keys() == {"service/dns"}
    assert bench.sink.told[-1].kind == "entry-refused"
    ours.hear(None)
    assert ours.in_force() == Orders()


@simulated
async def test_two_that_write_at_once_do_not_overwrite_each_other(bench: Bench) -> None:
    await store(bench).hold("service/dns", "first", "eva", None)
    first = await bench.registry.get(bench.layout.holds)
    await store(bench).hold("service/domains", "second", "ada", None)
    with pytest.raises(Conflict):
        await bench.registry.transact([SetOp(path=bench.layout.holds, value=write(Orders()), version=first.version)])
    assert (await stored(bench)).restraints.keys() == {"service/dns", "service/domains"}
