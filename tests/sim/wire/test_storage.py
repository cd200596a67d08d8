"""The data directory: what was appended comes back, a torn end is cut off, damage is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.wire.zookeeper.core import Caller, Core
from sim.wire.zookeeper.records import write_transaction
from sim.wire.zookeeper.requests import Create, SetValue
from sim.wire.zookeeper.snapshot import picture_of
from sim.wire.zookeeper.storage import Damaged, Locked, Storage
from sim.wire.zookeeper.values import OPEN

CALLER = Caller(watcher=1, session_id=7)


def written(core: Core, path: str, value: bytes = b"") -> bytes:
    """Create a znode, and give the transaction as bytes."""
    request = Create(path=path, value=value, access=OPEN)
    outcome = core.write(request, CALLER, zxid=core.zxid + 1, time_ms=0)
    assert outcome.transaction is not None
    return write_transaction(outcome.transaction)


def names(core: Core) -> set[str]:
    return core.tree.znodes["/"].children - {"zookeeper"}


def filled(folder: Path, batches: int = 5) -> Path:
    """Append batches of two znodes each, and give the log's path."""
    with Storage.open(folder) as storage:
        core = storage.recover(now_ms=0)
        for number in range(batches):
            storage.append(written(core, f"/{number}-a") + written(core, f"/{number}-b"))
    (log,) = folder.glob("log.*")
    return log


def recovered(folder: Path) -> Core:
    with Storage.open(folder) as storage:
        return storage.recover(now_ms=0)


def test_everything_appended_comes_back(tmp_path: Path) -> None:
    filled(tmp_path)
    assert names(recovered(tmp_path)) == {f"{number}-{letter}" for number in range(5) for letter in "ab"}


def test_sessions_come_back_with_their_password_and_full_timeout(tmp_path: Path) -> None:
    with Storage.open(tmp_path) as storage:
        core = storage.recover(now_ms=0)
        password = core.sessions.password(7)
        for session_id in (7, 8):
            outcome = core.open_session(session_id, 4000, now_ms=0, zxid=core.zxid + 1, time_ms=0)
            assert outcome.transaction is not None
            storage.append(write_transaction(outcome.transaction))
        outcome = core.close_session(8, zxid=core.zxid + 1, time_ms=0)
        assert outcome.transaction is not None
        storage.append(write_transaction(outcome.transaction))
    with Storage.open(tmp_path) as storage:
        sessions = storage.recover(now_ms=50_000).sessions
    assert [(each.session_id, each.deadline_ms) for each in sessions.all()] == [(7, 54_000)]
    assert sessions.password(7) == password


@given(cut=st.integers(min_value=1, max_value=200), garbage=st.binary(max_size=40))
@settings(max_examples=30, deadline=None)
def test_a_torn_end_costs_the_last_batch_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    log = filled(folder, batches=1)
    whole = log.read_bytes()
    with Storage.open(folder) as storage:
        core = storage.recover(now_ms=0)
        storage.append(written(core, "/last", bytes(200)))
    log.write_bytes(log.read_bytes()[:-cut] + garbage)
    for _ in range(2):  # and what was cut off stays off
        assert names(recovered(folder)) == {"0-a", "0-b"}
    assert log.read_bytes() == whole


def test_after_a_torn_end_the_log_goes_on(tmp_path: Path) -> None:
    log = filled(tmp_path, batches=2)
    log.write_bytes(log.read_bytes()[:-1])
    with Storage.open(tmp_path) as storage:
        core = storage.recover(now_ms=0)
        storage.append(written(core, "/later"))
    assert names(recovered(tmp_path)) == {"0-a", "0-b", "later"}


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_flipped_bit_before_the_end_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    log = filled(folder)
    content = bytearray(log.read_bytes())
    position = data.draw(st.integers(0, len(content) * 4 // 5 - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    log.write_bytes(content)
    with pytest.raises(Damaged, match="unreadable at byte"):
        recovered(folder)


def test_a_snapshot_takes_the_place_of_older_logs(tmp_path: Path) -> None:
    filled(tmp_path)
    with Storage.open(tmp_path) as storage:
        core = storage.recover(now_ms=0)
        picture = picture_of(core)
        storage.turn(core.zxid + 1)
        storage.append(written(core, "/between"))
        storage.keep(picture)
        storage.append(written(core, "/after"))
    assert {path.name for path in tmp_path.iterdir()} == {
        "lock",
        "secret",
        f"log.{11:016x}",
        f"snapshot.{10:016x}",
    }
    back = recovered(tmp_path)
    assert len(names(back)) == 12
    assert back.zxid == 12


def test_a_crash_before_the_snapshot_is_complete_loses_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    with Storage.open(tmp_path) as storage:
        core = storage.recover(now_ms=0)
        storage.turn(core.zxid + 1)
        storage.append(written(core, "/after"))
    (tmp_path / ".snapshot.new").write_bytes(b"half")
    assert len(names(recovered(tmp_path))) == 11


def test_a_missing_log_is_noticed(tmp_path: Path) -> None:
    log = filled(tmp_path)
    with Storage.open(tmp_path) as storage:
        core = storage.recover(now_ms=0)
        storage.turn(core.zxid + 1)
        storage.append(written(core, "/after"))
    log.unlink()
    with pytest.raises(Damaged, match="transaction 0x1 is missing"):
        recovered(tmp_path)


def test_a_damaged_snapshot_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    with Storage.open(tmp_path) as storage:
        storage.keep(picture_of(storage.recover(now_ms=0)))
    (snapshot,) = tmp_path.glob("snapshot.*")
    content = snapshot.read_bytes()
    for broken in (content[:-1], content[:100] + b"?" + content[101:]):
        snapshot.write_bytes(broken)
        with pytest.raises(Damaged):
            recovered(tmp_path)


def test_a_directory_serves_one_process(tmp_path: Path) -> None:
    with Storage.open(tmp_path), pytest.raises(Locked, match="another registry"), Storage.open(tmp_path):
        pass
    with Storage.open(tmp_path):
        pass


def test_a_snapshot_is_due_when_the_log_is_longer_than_the_last_one(tmp_path: Path) -> None:
    with Storage.open(tmp_path) as storage:
        core = storage.recover(now_ms=0)
        storage.append(written(core, "/big"))
        for number in range(9):
            assert not storage.is_due
            request = SetValue(path="/big", value=bytes(1_000_000))
            outcome = core.write(request, CALLER, zxid=core.zxid + 1, time_ms=number)
            assert outcome.transaction is not None
            storage.append(write_transaction(outcome.transaction))
        assert storage.is_due
        storage.turn(core.zxid + 1)
        assert not storage.is_due
