"""The log file is bounded and nobody's open file is pulled away."""

from __future__ import annotations

from pathlib import Path

from hfs_appliance.agent.log import rotate


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
