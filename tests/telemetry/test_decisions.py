"""The decision journal: what was decided can be read back, whatever became of the writer; it stays within bounds."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.instants import HOUR, SECOND, Duration, Instant, after
from hfs_appliance.telemetry.decisions import Decided, DecisionLog, Torn, began_at, files, read
from sim.worlds import Fleet, converged_fleet, desired

FOREVER = Instant(1 << 62)


def run(log: DecisionLog, ticks: int, *, fleet: Fleet | None = None, span: Duration = SECOND) -> list[Decided]:
    """Decide and record so many times; give what was decided."""
    fleet = fleet or Fleet(desired=desired({"dns": {"1": 3}}))
    decider, told = Decider(), []
    for _ in range(ticks):
        world = fleet.world()
        plan = decider.decide(world)
        log.write([(world, plan)])
        told.append(Decided(world=world, plan=plan, version="0.1.0"))
        fleet.step(span)
    return told


def test_what_was_decided_is_read_back(tmp_path: Path) -> None:
    assert list(read(tmp_path, Instant(0), FOREVER)) == []
    log = DecisionLog(tmp_path / "decisions")
    told = run(log, 20)
    directory = tmp_path / "decisions"
    assert list(read(directory, Instant(0), FOREVER)) == told, "a file that is still written can be read"
    log.close()
    log.close()
    assert list(read(directory, Instant(0), FOREVER)) == told
    until = told[4].world.now
    assert list(read(directory, until, until)) == told[:5]
    text = b"".join(gzip.decompress(path.read_bytes()) for path in files(directory)).decode()
    assert text.startswith('{"hfs":"0.1.0"}\n{"w":{"now":')
    assert text.count("\n") == 21


def test_a_great_fleet_is_written_piece_by_piece(tmp_path: Path) -> None:
    fleet = converged_fleet(120, per_service=60)
    told = run(DecisionLog(tmp_path), 3, fleet=fleet)
    assert list(read(tmp_path, Instant(0), FOREVER)) == told
    text = zlib.decompressobj(31).decompress(files(tmp_path)[0].read_bytes()).splitlines()[1]
    assert text == json.dumps(json.loads(text), separators=(",", ":")).encode()


def test_a_file_covers_an_hour_and_the_last_one_before_is_read(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    told = run(log, 30, span=Duration(HOUR // 10))
    assert [began_at(path) for path in files(tmp_path)] == [told[n].world.now for n in (0, 10, 20)]
    assert list(read(tmp_path, told[12].world.now, FOREVER)) == told[10:]
    assert list(read(tmp_path, told[25].world.now, told[26].world.now)) == told[20:27]


def test_its_size_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, file_bytes=2_000, total_bytes=8_000)
    fleet, told = Fleet(desired=desired({"dns": {"1": 3}})), []
    for count in range(60):
        fleet.desired = desired({"dns": {"1": 3 + count % 2}})
        told += run(log, 2, fleet=fleet)
    log.close()
    sizes = [path.stat().st_size for path in files(tmp_path)]
    assert sum(sizes) <= 8_000 + 2_000
    kept = list(read(tmp_path, Instant(0), FOREVER))
    assert kept == told[-len(kept) :]
    assert len(kept) < len(told)


def test_a_torn_tail_is_skipped_with_a_word(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    told = run(log, 20)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    seen = set()
    for cut in range(len(whole) - 300, len(whole), 3):
        path.write_bytes(whole[:cut])
        *found, last = read(tmp_path, Instant(0), FOREVER)
        if isinstance(last, Torn):
            assert last == Torn(path=path, words="ends in the middle of a decision: it was being written when hfs died")
        else:
            found.append(last)
        assert found == told[: len(found)]
        seen.add(len(found))
    assert max(seen) == 20
    later = run(DecisionLog(tmp_path), 3, fleet=Fleet(desired=desired({}), now=after(told[-1].world.now, SECOND)))
    path.write_bytes(whole[:-40])
    found = list(read(tmp_path, Instant(0), FOREVER))
    assert found[-3:] == later
    assert [type(each) for each in found].count(Torn) == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda whole: whole[:100] + b"\xff" * 40 + whole[140:], "is damaged: "),
        (lambda _: b"no gzip at all", "is damaged: "),
        (
            lambda _: zlib.compress(b'{"hfs":"9.9"}\n{"w":{"now":"x"}}\n', wbits=31),
            "hfs 9.9 wrote what this one cannot read",
        ),
        (lambda _: zlib.compress(b"[1]\n", wbits=31), "hfs of an unknown version wrote what this one cannot read"),
    ],
)
def test_a_damaged_file_hurts_no_other(tmp_path: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3}}))
    run(DecisionLog(tmp_path), 5, fleet=fleet)
    later = run(DecisionLog(tmp_path), 5, fleet=fleet)
    path = files(tmp_path)[0]
    path.write_bytes(damage(path.read_bytes()))
    found = list(read(tmp_path, Instant(0), FOREVER))
    assert found[-5:] == later
    (torn,) = [each for each in found if isinstance(each, Torn)]
    assert torn.words.startswith(words)


def elsewhere(program: str, directory: Path) -> str:
    """Run a program in a process of its own, and give what it prints."""
    head = "import os, resource, signal, sys\nfrom pathlib import Path\nfrom tests.telemetry.test_decisions import *\n"
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", head + program, str(directory)]
    done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    elsewhere("run(DecisionLog(Path(sys.argv[1])), 7)\nos.kill(os.getpid(), signal.SIGKILL)", tmp_path)
    assert len(list(read(tmp_path, Instant(0), FOREVER))) == 7


def test_a_full_disk_is_told_and_the_next_file_stands_by_itself(tmp_path: Path) -> None:
    program = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log, fleet = DecisionLog(Path(sys.argv[1])), Fleet(desired=desired({"dns": {"1": 3}}))
run(log, 2, fleet=fleet)
(path,) = files(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, resource.RLIM_INFINITY))
try:
    run(log, 5, fleet=fleet)
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
run(log, 3, fleet=fleet)
"""
    assert "bytes of a decision were written" in elsewhere(program, tmp_path)
    found = list(read(tmp_path, Instant(0), FOREVER))
    assert [type(each) for each in found if not isinstance(each, Torn)] == [Decided] * 5
    assert len(files(tmp_path)) == 2
