"""The pure core by itself: whatever is asked, its state stays sound, and its transactions make the same again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sim.wire.zookeeper.core import Caller, Core, Outcome
from sim.wire.zookeeper.effects import Transaction
from sim.wire.zookeeper.jute import Reader
from sim.wire.zookeeper.paths import name_of, parent_of
from sim.wire.zookeeper.protocol import write_event, write_reply
from sim.wire.zookeeper.records import read_transaction, write_transaction
from sim.wire.zookeeper.requests import (
    AddWatch,
    Check,
    Create,
    Delete,
    Exists,
    GetChildren,
    GetValue,
    Multi,
    Read,
    RemoveWatches,
    SetAccess,
    SetValue,
    SetWatches,
    Watching,
    Write,
)
from sim.wire.zookeeper.results import Created, Failure, Many
from sim.wire.zookeeper.snapshot import picture_of, restore, write_picture
from sim.wire.zookeeper.values import (
    EPHEMERAL,
    OPEN,
    READ_ONLY,
    SEQUENTIAL,
    Access,
    Code,
    EventType,
    Identity,
    WatchMode,
)

SECRET = bytes(32)
ANN = Identity("digest", "ann:hash")
CALLERS = tuple(Caller(watcher=number, session_id=number, identities=(ANN,) * (number == 1)) for number in (1, 2))

paths = st.sampled_from(["/a", "/b", "/a/a", "/a/b", "/a/a/a", "/zookeeper", "/", "bad", "/a/", ""])
values = st.sampled_from([b"", b"x", None])
accesses = st.sampled_from([OPEN, OPEN, READ_ONLY, (Access(31, *ANN),), (Access(31, "auth", ""),), ()])
versions = st.sampled_from([-1, -1, 0, 1])
creations = st.builds(
    Create,
    path=paths,
    value=values,
    access=accesses,
    flags=st.sampled_from([0, 0, EPHEMERAL, SEQUENTIAL, EPHEMERAL | SEQUENTIAL, 9]),
    wants_stat=st.booleans(),
)
operations = st.one_of(
    creations,
    creations,
    st.builds(Delete, path=paths, version=versions),
    st.builds(SetValue, path=paths, value=values, version=versions),
    st.builds(Check, path=paths, version=versions),
)
writes: st.SearchStrategy[Write] = st.one_of(
    operations,
    st.builds(Multi, operations=st.lists(operations, max_size=5).map(tuple)),
    st.builds(SetAccess, path=paths, access=accesses, version=versions),
)
looks: st.SearchStrategy[Read | Watching] = st.one_of(
    st.builds(GetValue, path=paths, watch=st.booleans()),
    st.builds(Exists, path=paths, watch=st.booleans()),
    st.builds(GetChildren, path=paths, watch=st.booleans()),
    st.builds(AddWatch, path=paths, mode=st.sampled_from(WatchMode)),
)
callers = st.sampled_from(CALLERS)


def state_of(core: Core) -> Any:
    """Give everything that must survive."""
    picture = picture_of(core)
    return picture.zxid, picture.sessions, sorted(picture.znodes), core.tree.ephemerals


class Requests(RuleBasedStateMachine):
    """Any requests, in any order."""

    @initialize()
    def begin(self) -> None:
        self.core = Core(SECRET)
        self.journal: list[Transaction] = []
        for caller in CALLERS:
            self.keep(self.core.open_session(caller.session_id, 4000, now_ms=0, zxid=self.zxid, time_ms=0))

    @property
    def zxid(self) -> int:
        return self.core.zxid + 1

    def keep(self, outcome: Outcome) -> None:
        if outcome.transaction is not None:
            content = write_transaction(outcome.transaction)
            assert read_transaction(Reader(content)) == outcome.transaction
            self.journal.append(outcome.transaction)

    @rule(request=writes, caller=callers)
    def write(self, request: Write, caller: Caller) -> None:
        before = state_of(self.core)
        outcome = self.core.write(request, caller, zxid=self.zxid, time_ms=self.zxid * 10)
        self.keep(outcome)
        if outcome.transaction is None:
            assert state_of(self.core) == before
            assert not outcome.notifications
        else:
            assert self.core.zxid == outcome.transaction.zxid == before[0] + 1
        assert write_reply(1, self.core.zxid, outcome.result)

    @rule(request=looks, caller=callers)
    def look(self, request: Read | Watching, caller: Caller) -> None:
        before = state_of(self.core)
        if isinstance(request, AddWatch | RemoveWatches | SetWatches):
            self.core.watch(request, caller)
        else:
            assert write_reply(1, self.core.zxid, self.core.read(request, caller))
        assert state_of(self.core) == before

    @rule(caller=callers)
    def end_session(self, caller: Caller) -> None:
        self.keep(self.core.close_session(caller.session_id, zxid=self.zxid, time_ms=0))
        assert self.core.tree.ephemerals_of(caller.session_id) == []
        self.keep(self.core.open_session(caller.session_id, 4000, now_ms=0, zxid=self.zxid, time_ms=0))

    @invariant()
    def the_tree_is_sound(self) -> None:
        if not hasattr(self, "core"):
            return
        znodes = self.core.tree.znodes
        owned: dict[int, set[str]] = {}
        for path, znode in znodes.items():
            assert path == "/" or name_of(path) in znodes[parent_of(path)].children
            assert znode.stat().num_children == sum(other != "/" and parent_of(other) == path for other in znodes)
            assert max(znode.czxid, znode.mzxid, znode.pzxid) <= self.core.zxid
            if znode.owner:
                assert not znode.children
                owned.setdefault(znode.owner, set()).add(path)
        assert owned == self.core.tree.ephemerals

    @invariant()
    def transactions_make_the_same_state_again(self) -> None:
        if not hasattr(self, "core"):
            return
        replayed = Core(SECRET)
        for transaction in self.journal:
            replayed.replay(transaction, now_ms=0)
        assert state_of(replayed) == state_of(self.core)

    def teardown(self) -> None:
        if hasattr(self, "core"):
            restored = Core(SECRET)
            restore(restored, write_picture(picture_of(self.core)), now_ms=0)
            assert state_of(restored) == state_of(self.core)


Requests.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRequests = Requests.TestCase


def made(core: Core, path: str, flags: int = 0, caller: Caller = CALLERS[0]) -> Outcome:
    return core.write(Create(path=path, value=b"", access=OPEN, flags=flags), caller, zxid=core.zxid + 1, time_ms=0)


def test_sequence_numbers_count_creations_not_children() -> None:
    core = Core(SECRET)
    made(core, "/a")
    made(core, "/a/plain")
    core.write(Delete(path="/a/plain"), CALLERS[0], zxid=core.zxid + 1, time_ms=0)
    assert made(core, "/a/s-", SEQUENTIAL).result == Created("/a/s-0000000001", None)


def test_a_multi_says_what_became_of_each_operation() -> None:
    core = Core(SECRET)
    operations = (
        Create(path="/a", value=b"", access=OPEN),
        Delete(path="/nowhere"),
        Delete(path="/a"),
    )
    outcome = core.write(Multi(operations=operations), CALLERS[0], zxid=1, time_ms=0)
    assert isinstance(outcome.result, Many)
    codes = [result.code for result in outcome.result.results if isinstance(result, Failure)]
    assert codes == [Code.OK, Code.NO_NODE, Code.RUNTIME_INCONSISTENCY]
    assert core.zxid == 0


def test_a_one_shot_watch_leaves_a_persistent_one_on_the_same_path() -> None:
    core = Core(SECRET)
    made(core, "/a")
    core.watch(AddWatch(path="/a", mode=WatchMode.PERSISTENT), CALLERS[0])
    core.read(GetValue(path="/a", watch=True), CALLERS[0])
    for _ in range(2):
        outcome = core.write(SetValue(path="/a", value=b""), CALLERS[1], zxid=core.zxid + 1, time_ms=0)
        assert [(watcher, event.type) for watcher, event in outcome.notifications] == [(1, EventType.DATA_CHANGED)]


def test_the_core_needs_no_clock_no_chance_and_no_sockets() -> None:
    imported = subprocess.run(
        [sys.executable, "-c", "import sys; import sim.wire.zookeeper.core; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    ).stdout.split()
    assert not {"trio", "random", "socket", "secrets", "uuid", "logging", "threading"} & set(imported)


def test_runs_are_the_same_under_any_hash_seed() -> None:
    digests = {
        subprocess.run(
            [sys.executable, __file__],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def main() -> None:
    """Print a digest of all that a long conversation shows."""
    core, digest = Core(SECRET), hashlib.sha256()
    for watcher in range(1, 21):
        caller = Caller(watcher=watcher, session_id=watcher)
        core.open_session(watcher, 1000, now_ms=0, zxid=core.zxid + 1, time_ms=0)
        core.watch(AddWatch(path="/", mode=WatchMode.PERSISTENT_RECURSIVE), caller)
        for number in range(20):
            outcome = made(core, f"/{(number * 7 + watcher) % 31}-", EPHEMERAL | SEQUENTIAL, caller)
            digest.update(write_reply(1, core.zxid, outcome.result))
    for session_id in core.sessions.expired(10_000):
        outcome = core.close_session(session_id, zxid=core.zxid + 1, time_ms=0)
        assert outcome.transaction is not None
        digest.update(write_transaction(outcome.transaction))
        for watcher, event in outcome.notifications:
            digest.update(b"%d" % watcher + write_event(event))
    sys.stdout.write(digest.hexdigest())


if __name__ == "__main__":
    main()
