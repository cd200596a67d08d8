"""The journal: what was written is there, whatever became of the writer, and it never grows beyond its limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hfs_appliance.model.events import CloudUnreachable, Recorded
from hfs_appliance.model.instants import Instant
from hfs_appliance.telemetry import canonical
from hfs_appliance.telemetry.journal import Journal, newest


def recorded(seq: int) -> Recorded:
    return Recorded(seq=seq, at=Instant(seq), actor="observe", event=CloudUnreachable(words=f"try number {seq:04}"))


def read(path: Path) -> list[int]:
    return [canonical.read(line).seq for line in path.read_text("ascii").splitlines()]


def test_it_appends_and_knows_where_it_was(tmp_path: Path) -> None:
    for life in range(3):
        journal = Journal(tmp_path / "journal")
        assert journal.last_seq == 2 * life
        journal(recorded(2 * life + 1))
        journal(recorded(2 * life + 2))
        journal.close()
    assert read(tmp_path / "journal" / "events.log") == [1, 2, 3, 4, 5, 6]


def test_its_size_and_number_of_files_are_bounded(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=500, max_files=2)
    for seq in range(1, 101):
        journal(recorded(seq))
    journal.close()
    files = ["events.log.2", "events.log.1", "events.log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    assert all((tmp_path / name).stat().st_size <= 500 for name in files)
    kept = [seq for name in files for seq in read(tmp_path / name)]
    assert kept == list(range(kept[0], 101))
    assert Journal(tmp_path).last_seq == 100


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    path.write_text(canonical.write(recorded(8)) + "\n" + canonical.write(recorded(9))[:20])
    journal = Journal(tmp_path)
    assert journal.last_seq == 8
    journal(recorded(10))
    journal.close()
    whole, _, last = path.read_text().splitlines()
    assert [canonical.read(line).seq for line in (whole, last)] == [8, 10]


def test_a_full_disk_is_an_error_and_later_events_are_written(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from tests.telemetry.test_journal import Journal, recorded
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
journal(recorded(1))
for seq in (2, 3):
    try:
        journal(recorded(seq))
    except OSError as error:
        print("error")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal(recorded(4))
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "error\nerror\n"
    lines = (tmp_path / "events.log").read_text().splitlines()
    assert [canonical.read(line).seq for line in (lines[0], lines[-1])] == [1, 4]


@pytest.mark.parametrize("events", [1, 50])
def test_kill_9_loses_nothing_that_was_written(tmp_path: Path, events: int) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from tests.telemetry.test_journal import Journal, recorded
journal = Journal(Path(sys.argv[1]))
for seq in range(1, int(sys.argv[2]) + 1):
    journal(recorded(seq))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), str(events)], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert read(tmp_path / "events.log") == list(range(1, events + 1))


def test_the_newest_events_are_read_back_past_what_is_torn(tmp_path: Path) -> None:
    assert newest(tmp_path) == []
    journal = Journal(tmp_path)
    written = [recorded(seq) for seq in range(1, 6)]
    for each in written:
        journal(each)
    journal.close()
    with (tmp_path / "events.log").open("ab") as file:
        file.write(b"6 17 half of a li")
    assert newest(tmp_path) == written
    line = (tmp_path / "events.log").read_bytes().split(b"\n")[0]
    assert newest(tmp_path, max_bytes=len(line) + 30) == written[-1:]
