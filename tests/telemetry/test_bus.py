"""The bus: numbers, the ring, folds that fail, readers that are slow."""

from __future__ import annotations

from contextlib import aclosing

import trio
import trio.testing

from hfs_appliance.model.events import CloudUnreachable, EventsSkipped, PartFailed, Recorded
from hfs_appliance.telemetry.bus import EventBus
from tests.support.control import START, ManualClock


def blow(number: int) -> CloudUnreachable:
    return CloudUnreachable(words=f"try {number}")


async def read(bus: EventBus, after: int) -> list[Recorded]:
    async with aclosing(bus.follow(after, is_following=False)) as events:
        return [event async for event in events]


async def test_numbers_rise_and_carry_their_cause() -> None:
    clock = ManualClock()
    bus = EventBus(clock)
    first = bus.emit("observe", blow(1))
    clock.instant += 5
    second = bus.emit("observe", blow(2), cause=first)
    recorded = await read(bus, 0)
    assert [(one.seq, one.at, one.cause) for one in recorded] == [(first, START, None), (second, START + 5, first)]
    assert second == first + 1 == bus.last_seq


async def test_numbers_go_on_after_an_earlier_life() -> None:
    bus = EventBus(ManualClock(), last_seq=700)
    assert bus.emit("observe", blow(1)) == 701
    assert [one.seq for one in await read(bus, 0)] == [701]


async def test_a_reader_behind_the_ring_is_told_of_the_gap() -> None:
    bus = EventBus(ManualClock(), kept=3)
    for number in range(1, 11):
        bus.emit("observe", blow(number))
    gap, *rest = await read(bus, 2)
    assert gap.event == EventsSkipped(count=5)
    assert [one.seq for one in rest] == [8, 9, 10]
    assert [one.seq for one in await read(bus, 7)] == [8, 9, 10]
    assert [one.seq for one in await read(bus, 0)] == [8, 9, 10]
    assert await read(bus, 10) == []


async def test_a_follower_gets_every_new_event_and_falls_behind_alone() -> None:
    bus = EventBus(ManualClock(), kept=4)
    seen: list[Recorded] = []

    async def follow() -> None:
        async with aclosing(bus.follow(0, is_following=True)) as events:
            async for event in events:
                seen.append(event)
                if event.seq == 12:
                    return

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(2):
                bus.emit("observe", blow(number))
                await trio.testing.wait_all_tasks_blocked()
            for number in range(2, 12):  # ten more before the follower runs again: only four are kept
                bus.emit("observe", blow(number))
    assert [one.seq for one in seen] == [1, 2, 8, 9, 10, 11, 12]
    assert seen[2].event == EventsSkipped(count=6)


async def test_a_failing_fold_is_told_once_and_hurts_nobody() -> None:
    bus = EventBus(ManualClock())
    seen: list[Recorded] = []
    is_full = True

    def journal(_: Recorded) -> None:
        if is_full:
            raise OSError("disk full")

    bus.subscribe("journal", journal)
    bus.subscribe("metrics", seen.append)
    for number in range(3):
        bus.emit("observe", blow(number))
    is_full = False
    bus.emit("observe", blow(3))
    is_full = True
    bus.emit("observe", blow(4))
    failures = [one for one in seen if isinstance(one.event, PartFailed)]
    assert [one.event for one in failures] == [PartFailed(part="journal", words="OSError: disk full")] * 2
    assert [one.cause for one in failures] == [1, 6]
    assert [one.seq for one in seen] == sorted(one.seq for one in seen)
    assert len(seen) == 7


async def test_folds_get_events_in_order_also_when_one_of_them_emits() -> None:
    bus = EventBus(ManualClock())
    seen: list[int] = []

    def answer(recorded: Recorded) -> None:
        if recorded.actor == "observe":
            bus.emit("answer", blow(0), cause=recorded.seq)

    bus.subscribe("answer", answer)
    bus.subscribe("order", lambda recorded: seen.append(recorded.seq))
    bus.emit("observe", blow(1))
    bus.emit("observe", blow(2))
    assert seen == [1, 2, 3, 4]
