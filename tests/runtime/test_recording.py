"""Recording: beside the loop; a disk that is full or slow stops the recording for a while, and never the deciding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trio.testing

from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.events import PartFailed
from hfs_appliance.model.instants import SECOND, Duration, Instant, after
from hfs_appliance.model.plan import Plan
from hfs_appliance.model.world import World
from hfs_appliance.runtime import recording
from hfs_appliance.runtime.recording import AGAIN_AFTER, Recording
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.decisions import DecisionLog, files, read
from sim.worlds import Fleet, desired
from tests.support.control import ManualClock

T = TypeVar("T")


class Inline:
    """Does the work at once; `gate` holds it up."""

    def __init__(self) -> None:
        self.gate = trio.Event()
        self.gate.set()

    async def run(self, work: Callable[[], T]) -> T:
        await self.gate.wait()
        return work()


@dataclass
class Scene:
    """A recording over a directory, with a clock that the test turns."""

    directory: Path
    clock: ManualClock = field(default_factory=ManualClock)
    worker: Inline = field(default_factory=Inline)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        bus = EventBus(self.clock)
        bus.subscribe("test", lambda recorded: self.told.append(type(recorded.event).__name__))
        self.record = Recording(DecisionLog(self.directory), worker=self.worker, clock=self.clock, sink=bus)
        self.plan: Plan = decide(Fleet(desired=desired({"dns": {"1": 1}})).world())

    def decide(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.instant += SECOND
            world = Fleet(desired=desired({"dns": {"1": 1}})).world()
            self.record(replace(world, now=self.clock.now()), self.plan)

    def written(self) -> int:
        return len(list(read(self.directory, Instant(0), Instant(1 << 62))))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "decisions")


async def test_decisions_are_written_once_a_second(
    scene: Scene, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    nursery.start_soon(scene.record.run)
    scene.decide(3)
    await trio.testing.wait_all_tasks_blocked()
    assert scene.written() == 0
    await trio.sleep(1.5)
    assert scene.written() == 3
    scene.decide(2)
    await trio.sleep(1.5)
    assert scene.written() == 5
    scene.decide()
    nursery.cancel_scope.cancel()
    await trio.testing.wait_all_tasks_blocked()


async def test_what_is_left_at_the_end_is_written(scene: Scene) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.record.run)
        await trio.testing.wait_all_tasks_blocked()
        scene.decide(4)
        nursery.cancel_scope.cancel()
    assert scene.written() == 4


async def test_nobody_writes_beside_a_worker_that_goes_on(scene: Scene, autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.record.run)
        scene.worker.gate = trio.Event()
        scene.decide(2)
        await trio.sleep(2)
        scene.decide()
        nursery.cancel_scope.cancel()
    assert scene.written() == 0


async def test_a_failing_disk_is_told_once_and_tried_again_later(
    scene: Scene, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    scene.directory.write_text("a file stands where the directory should be")
    nursery.start_soon(scene.record.run)
    for _ in range(3):
        scene.decide()
        await trio.sleep(2)
    assert scene.told == [PartFailed.__name__]
    scene.directory.unlink()
    scene.decide()
    await trio.sleep(2)
    assert not scene.directory.exists()
    scene.clock.instant = after(scene.clock.now(), AGAIN_AFTER)
    scene.decide(2)
    await trio.sleep(2)
    assert (scene.written(), len(files(scene.directory))) == (2, 1)
    assert scene.told == [PartFailed.__name__]
    nursery.cancel_scope.cancel()


async def test_a_disk_that_hangs_costs_a_bounded_memory(scene: Scene) -> None:
    scene.decide(recording.MOST)
    assert scene.told == []
    scene.decide(2)
    assert scene.told == [PartFailed.__name__]
    scene.clock.instant += Duration(AGAIN_AFTER)
    scene.decide(3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.record.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert scene.written() == 3


def test_leaving_a_decision_here_costs_nothing_but_a_place_in_a_list(scene: Scene) -> None:
    world: World = Fleet(desired=desired({"dns": {"1": 1}})).world()
    scene.record(world, scene.plan)
    assert scene.record._waiting == [(world, scene.plan)]
