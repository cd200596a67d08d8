"""Single requests and watches as the wire shows them, at the embedded registry and at real ZooKeeper alike."""

from __future__ import annotations

from itertools import count

import pytest
from kazoo.protocol.serialization import (
    Auth,
    Create,
    Create2,
    Delete,
    Exists,
    GetACL,
    GetChildren,
    GetData,
    SetACL,
    SetData,
    write_string,
)
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl

from tests.sim.wire.wire_client import Raw, WireClient, add_watch, check_watches, remove_watches, set_watches

CREATED, DELETED, CHANGED, CHILD = 1, 2, 3, 4
WATCH = True
_names = count()


@pytest.fixture
def root(address: str) -> str:
    path = f"/requests-{next(_names)}"
    with WireClient(address) as client:
        assert client.call(Create(path, b"", OPEN_ACL_UNSAFE, 0)).error == 0
    return path


def create(path: str, flags: int = 0) -> Create:
    return Create(path, b"", OPEN_ACL_UNSAFE, flags)


def test_an_event_comes_before_any_answer_that_is_newer(address: str, root: str) -> None:
    with WireClient(address) as writer, WireClient(address) as reader:
        for number in range(50):
            reader.call(GetData(root, WATCH))
            writer.call(SetData(root, b"%d" % number, -1))
            # The answer shows the new version, so the event must have come already.
            assert reader.call(GetData(root, None)).result[1].version == number + 1
            assert reader.events == [(CHANGED, root)] * (number + 1)


def test_watches_fire_once(address: str, root: str) -> None:
    with WireClient(address) as client:
        client.call(Exists(f"{root}/a", WATCH))
        client.call(GetChildren(root, WATCH))
        client.call(create(f"{root}/a"))
        client.call(SetData(f"{root}/a", b"", -1))
        client.call(create(f"{root}/b"))
        assert client.events == [(CREATED, f"{root}/a"), (CHILD, root)]


def test_a_deletion_is_told_once_to_a_watcher_of_value_and_children(address: str, root: str) -> None:
    with WireClient(address) as client:
        client.call(create(f"{root}/a"))
        client.call(GetData(f"{root}/a", WATCH))
        client.call(GetChildren(f"{root}/a", WATCH))
        client.call(Delete(f"{root}/a", -1))
        assert client.events == [(DELETED, f"{root}/a")]


def test_a_persistent_watch_tells_of_one_znode_for_ever(address: str, root: str) -> None:
    with WireClient(address) as client:
        assert client.call(add_watch(root, 0)).error == 0
        client.call(SetData(root, b"", -1))
        client.call(create(f"{root}/a"))
        client.call(SetData(f"{root}/a", b"", -1))
        client.call(Delete(f"{root}/a", -1))
        client.call(SetData(root, b"", -1))
        assert client.events == [(CHANGED, root), (CHILD, root), (CHILD, root), (CHANGED, root)]


def test_a_recursive_watch_tells_of_everything_below_for_ever(address: str, root: str) -> None:
    with WireClient(address) as client, WireClient(address) as other:
        assert client.call(add_watch(root, 1)).error == 0
        other.call(create(f"{root}/a"))
        other.call(create(f"{root}/a/b", 1))
        other.call(SetData(f"{root}/a/b", b"x", -1))
        other.call(Delete(f"{root}/a/b", -1))
        other.call(SetData(root, b"", -1))
        other.call(create(f"{root}-beside"))
        client.call(Exists(root, None))
        assert client.events == [
            (CREATED, f"{root}/a"),
            (CREATED, f"{root}/a/b"),
            (CHANGED, f"{root}/a/b"),
            (DELETED, f"{root}/a/b"),
            (CHANGED, root),
        ]


def test_watches_can_be_asked_for_and_removed(address: str, root: str) -> None:
    with WireClient(address) as client:
        client.call(GetData(root, WATCH))
        client.call(add_watch(f"{root}/below", 1))
        assert client.call(check_watches(root, 2)).error == 0
        assert client.call(check_watches(root, 1)).error == -121
        assert client.call(remove_watches(root, 1)).error == -121
        assert client.call(remove_watches(root, 2)).error == 0
        assert client.call(remove_watches(root, 3)).error == -121
        assert client.call(remove_watches(f"{root}/below", 3)).error == 0
        client.call(SetData(root, b"", -1))
        client.call(create(f"{root}/below"))
        assert client.events == []


def test_watches_end_with_their_connection(address: str, root: str) -> None:
    with WireClient(address) as before:
        before.call(GetData(root, WATCH))
        before.call(add_watch(root, 1))
    with WireClient(address, session_id=before.session_id, password=before.password) as after:
        after.call(SetData(root, b"", -1))
        assert after.events == []


@pytest.mark.parametrize("has_persistent", [False, True])
def test_watches_set_again_tell_what_was_missed(address: str, root: str, has_persistent: bool) -> None:  # noqa: FBT001
    with WireClient(address) as client:
        for name in ("changed", "gone", "same", "parent", "childless"):
            client.call(create(f"{root}/{name}"))
        zxid = client.last_zxid
        client.call(SetData(f"{root}/changed", b"", -1))
        client.call(Delete(f"{root}/gone", -1))
        client.call(create(f"{root}/come"))
        client.call(create(f"{root}/parent/child"))
        values = tuple(f"{root}/{name}" for name in ("changed", "gone", "same"))
        missing = (f"{root}/come", f"{root}/never")
        parents = (f"{root}/parent", f"{root}/childless", f"{root}/gone")
        lists = (values, missing, parents, (root,), (f"{root}/same",)) if has_persistent else (values, missing, parents)
        assert client.call(set_watches(zxid, *lists)).error == 0
        missed = [
            (CHANGED, f"{root}/changed"),
            (DELETED, f"{root}/gone"),
            (CREATED, f"{root}/come"),
            (CHILD, f"{root}/parent"),
            (DELETED, f"{root}/gone"),
        ]
        assert client.events == missed
        client.events.clear()
        client.call(SetData(f"{root}/changed", b"", -1))
        client.call(SetData(f"{root}/same", b"", -1))
        client.call(create(f"{root}/never"))
        client.call(create(f"{root}/childless/child"))
        later = [(CHANGED, f"{root}/same"), (CREATED, f"{root}/never"), (CHILD, f"{root}/childless")]
        if has_persistent:
            later.insert(2, (CHILD, root))
        assert client.events == later


def test_ephemerals_can_be_listed_by_prefix(address: str, root: str) -> None:
    with WireClient(address) as client:
        for name in ("a", "b"):
            client.call(create(f"{root}/{name}", 1))
        found = client.call(Raw(103, bytes(write_string(f"{root}/"))))
        assert GetChildren.deserialize(found.result, 0) in ([f"{root}/a", f"{root}/b"], [f"{root}/b", f"{root}/a"])


def test_descendants_can_be_counted(address: str, root: str) -> None:
    with WireClient(address) as client:
        for name in ("a", "a/b", "a/b/c"):
            client.call(create(f"{root}/{name}"))
        assert client.call(Raw(104, bytes(write_string(root)))).result == b"\0\0\0\x03"


def test_reads_can_be_asked_for_together(address: str, root: str) -> None:
    operations = ((4, root), (8, root), (4, f"{root}/nowhere"))
    body = b"".join(
        opcode.to_bytes(4, "big") + b"\0" + b"\xff" * 4 + bytes(write_string(path)) + b"\0"
        for opcode, path in operations
    )
    with WireClient(address) as client:
        answer = client.call(Raw(22, body + b"\xff" * 4 + b"\1" + b"\xff" * 4)).result
        value, stat = GetData.deserialize(answer, 9)
        assert (value, stat.version) == (b"", 0)
        assert answer.endswith((-101).to_bytes(4, "big", signed=True) + b"\xff" * 4 + b"\1" + b"\xff" * 4)


def test_who_am_i(address: str) -> None:
    with WireClient(address) as client:
        client.call(Auth(0, "digest", "ann:secret"))
        answer = client.call(Raw(107, b"")).result
        assert b"digest" in answer
        assert b"ann" in answer


def test_secrets_are_shown_to_administrators_only(address: str, root: str) -> None:
    with WireClient(address) as owner, WireClient(address) as reader:
        acl = [make_digest_acl("ann", "secret", all=True), OPEN_ACL_UNSAFE[0]._replace(perms=1)]
        owner.call(SetACL(root, acl, -1))
        (shown, _) = reader.call(GetACL(root)).result
        assert [line.id.id for line in shown] == ["ann:x", "anyone"]
        owner.call(Auth(0, "digest", "ann:secret"))
        (shown, _) = owner.call(GetACL(root)).result
        assert shown == acl


def test_an_ephemeral_of_another_session_can_be_deleted(address: str, root: str) -> None:
    with WireClient(address) as owner, WireClient(address) as other:
        owner.call(Create2(f"{root}/a", b"", OPEN_ACL_UNSAFE, 1))
        assert other.call(Delete(f"{root}/a", -1)).error == 0


def test_containers_and_times_to_live_are_not_to_be_had(embedded: str) -> None:
    with WireClient(embedded) as client:
        for flags in (4, 5, 6):
            assert client.call(create("/container", flags)).error == -6
        assert client.call(Raw(19, bytes(create("/container", 4).serialize()))).error == -6
