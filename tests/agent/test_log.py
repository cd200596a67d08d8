"""The log file is bounded and nobody's open file is pulled away."""

from __future__ import annotations

from pathlib import Path

import trio
import trio.testing

from hfs_appliance.agent.log import keep_bounded, rotate


def test_a_grown_file_is_emptied_in_place_and_its_content_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"x" * (10 * 1024 * 1024 + 1))
        rotate(path)
        writer.write(b"after\n")
    assert path.read_bytes() == b"after\n"
    assert (tmp_path / "agent.log.1").stat().st_size == 10 * 1024 * 1024 + 1


def test_a_small_file_and_no_file_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    rotate(path)
    path.write_bytes(b"little")
    rotate(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["agent.log"]


async def test_it_is_kept_bounded_while_the_agent_lives(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    path = tmp_path / "agent.log"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_bounded, path)
        await trio.testing.wait_all_tasks_blocked()
        path.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
        while path.stat().st_size:
            mock_clock.jump(60)
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
