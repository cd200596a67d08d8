"""The ledger store: what the leader writes is never overwritten by accident, and a registry rolled back is noticed."""

from __future__ import annotations

import pytest

from hfs_appliance.model.ledger import Ledger
from hfs_appliance.ports.errors import Conflict
from hfs_appliance.ports.registry import SessionState
from hfs_appliance.registry.formats import write_ledger
from hfs_appliance.runtime.ledger import LedgerStore
from tests.support.parts import Bench, simulated
from tests.support.registries import wait_state

FIVE, SIX = Ledger(next_serial=5), Ledger(next_serial=6)


async def store(bench: Bench) -> LedgerStore:
    made = LedgerStore(bench.registry, bench.layout, bench.sink)
    await made.load()
    return made


async def heard(bench: Bench, ledger: LedgerStore) -> bool:
    """Let the store hear what stands in the registry, and look if it doubts; tell whether the registry is behind."""
    ledger.hear((await bench.registry.get_many([bench.layout.ledger]))[bench.layout.ledger])
    await ledger.look()
    return ledger.is_behind


@simulated
async def test_what_is_kept_is_read_by_the_next_one(bench: Bench) -> None:
    first = await store(bench)
    await first.keep(FIVE)
    await first.keep(SIX)
    assert not await heard(bench, first)
    first.leave()
    assert (await store(bench)).ledger == SIX


@simulated
async def test_a_serial_never_goes_back(bench: Bench) -> None:
    ledger = await store(bench)
    await ledger.keep(SIX)
    await ledger.keep(FIVE)
    assert ledger.ledger.next_serial == 6


@simulated
async def test_an_older_entry_is_noticed_and_not_overwritten(bench: Bench) -> None:
    ledger = await store(bench)
    early = bench.ensemble.snapshot()
    await ledger.keep(FIVE)
    bench.ensemble.restore(early)
    await wait_state(bench.registry, SessionState.CONNECTED)
    assert await heard(bench, ledger)
    with pytest.raises(Conflict):
        await ledger.keep(SIX)
    assert (await store(bench)).ledger == Ledger()


@simulated
async def test_an_older_entry_that_was_not_heard_of_is_noticed_by_the_next_write(bench: Bench) -> None:
    ledger = await store(bench)
    early = bench.ensemble.snapshot()
    await ledger.keep(FIVE)
    bench.ensemble.restore(early)
    await wait_state(bench.registry, SessionState.CONNECTED)
    with pytest.raises(Conflict):
        await ledger.keep(SIX)
    await ledger.look()
    assert ledger.is_behind


@simulated
async def test_an_entry_that_is_gone_is_noticed(bench: Bench) -> None:
    ledger = await store(bench)
    await bench.registry.delete(bench.layout.ledger)
    assert await heard(bench, ledger)
    await ledger.raise_serial(9)
    assert not await heard(bench, ledger)
    assert (await store(bench)).ledger == Ledger(next_serial=9)


@simulated
async def test_what_was_read_before_a_write_of_ours_is_no_sign(bench: Bench) -> None:
    ledger = await store(bench)
    early = await bench.registry.get(bench.layout.ledger)
    await ledger.keep(FIVE)
    ledger.hear(early)
    await ledger.look()
    assert not ledger.is_behind


@simulated
async def test_raising_a_serial_takes_the_entry_back(bench: Bench) -> None:
    ledger = await store(bench)
    early = bench.ensemble.snapshot()
    await ledger.keep(FIVE)
    bench.ensemble.restore(early)
    await wait_state(bench.registry, SessionState.CONNECTED)
    assert await heard(bench, ledger)
    await ledger.raise_serial(8)
    assert not ledger.is_behind
    await ledger.keep(Ledger(next_serial=9))
    assert (await store(bench)).ledger.next_serial == 9


@simulated
async def test_a_write_of_somebody_else_is_taken_over(bench: Bench) -> None:
    """A write of ours whose answer was lost looks the same: it is found to have happened."""
    ledger = await store(bench)
    await bench.registry.set(bench.layout.ledger, write_ledger(FIVE))
    with pytest.raises(Conflict):
        await ledger.keep(SIX)
    assert ledger.ledger == FIVE
    await ledger.keep(SIX)
    assert (await store(bench)).ledger == SIX


@simulated
async def test_whoever_stands_by_hears_what_is_written(bench: Bench) -> None:
    leader, other = await store(bench), LedgerStore(bench.registry, bench.layout, bench.sink)
    await leader.keep(FIVE)
    other.hear(await bench.registry.get(bench.layout.ledger))
    assert other.ledger == FIVE
    await bench.registry.set(bench.layout.ledger, b"nonsense")
    other.hear(await bench.registry.get(bench.layout.ledger))
    other.hear(None)
    assert other.ledger == FIVE
    assert bench.sink.told[-1].kind == "entry-refused"
