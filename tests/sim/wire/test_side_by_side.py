"""The embedded registry beside real ZooKeeper: the same requests, drawn by Hypothesis, get the same answers and events.

Not compared, for they differ for good reasons: the numbers of zxids and sessions (only their order counts), times, and
the order of children (real servers give none).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kazoo.exceptions import ZookeeperError
from kazoo.protocol.serialization import (
    Auth,
    CheckVersion,
    Close,
    CloseInstance,
    Create,
    Create2,
    Delete,
    Exists,
    GetACL,
    GetChildren,
    GetChildren2,
    GetData,
    SetACL,
    SetData,
    Sync,
    Transaction,
)
from kazoo.protocol.states import ZnodeStat
from kazoo.security import OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, make_acl, make_digest_acl

from tests.sim.wire.wire_client import WireClient, add_watch, check_watches, remove_watches

pytestmark = pytest.mark.zookeeper

ACLS: tuple[list[Any], ...] = (
    OPEN_ACL_UNSAFE,
    READ_ACL_UNSAFE,
    [make_digest_acl("ann", "secret", all=True)],
    [make_digest_acl("ann", "secret", read=True), make_acl("ip", "127.0.0.0/8", create=True, delete=True)],
    [make_acl("auth", "", all=True)],
    [],
    [make_acl("world", "someone", all=True)],
    [make_acl("digest", "no-colon", all=True)],
    [make_acl("ip", "no-address", all=True)],
    [make_acl("nonsense", "x", all=True)],
)

paths = st.sampled_from(
    [
        "/a",
        "/b",
        "/a/b",
        "/a/c",
        "/b/a",
        "/a/b/c",
        "/a/s-0000000000",
        "/a/s-0000000001",
        "",
        "/a/",
        "//a",
        "/a/../b",
        "/\x01",
        "/a\ue000",
    ]
)
good_paths = st.sampled_from(["/a", "/b", "/a/b", "/a/c", "/b/a", "/a/b/c"])
sequential_paths = st.sampled_from(["/a/s-", "/a/", "/s-", "/nowhere/s-"])
values = st.sampled_from([b"", b"x", b"longer", None])
versions = st.sampled_from([-1, -1, -1, 0, 1, 2])
acls = st.one_of(st.just(OPEN_ACL_UNSAFE), st.just(OPEN_ACL_UNSAFE), st.sampled_from(ACLS))
flags = st.sampled_from([0, 0, 0, 1])

creations = st.builds(Create, good_paths, values, st.just(OPEN_ACL_UNSAFE), flags)
odd_creations = st.builds(Create, paths, values, acls, st.sampled_from([0, 1, 9]))
sequences = st.builds(Create, sequential_paths, values, acls, st.sampled_from([2, 3]))
creations2 = st.builds(Create2, paths, values, acls, flags)
deletions = st.builds(Delete, paths, versions)
settings_ = st.builds(SetData, paths, values, versions)
checks = st.builds(CheckVersion, paths, versions)
transactions = st.builds(
    Transaction, st.lists(st.one_of(creations, odd_creations, sequences, deletions, settings_, checks), max_size=4)
)
writes = st.one_of(creations, odd_creations, sequences, creations2, deletions, settings_, transactions)
reads = st.one_of(
    st.builds(Exists, paths, st.booleans()),
    st.builds(GetData, paths, st.booleans()),
    st.builds(GetChildren, paths, st.booleans()),
    st.builds(GetChildren2, paths, st.booleans()),
    st.builds(GetACL, paths),
    st.builds(Sync, good_paths),
)
access = st.one_of(st.builds(SetACL, good_paths, acls, versions), st.just(Auth(0, "digest", "ann:secret")))
# Watches for ever belong to a client of their own: real servers up to 3.8 mix them up with its one-shot watches.
lasting = st.one_of(
    st.builds(add_watch, good_paths, st.sampled_from([0, 1])),
    st.builds(check_watches, good_paths, st.just(3)),
    st.builds(remove_watches, good_paths, st.just(3)),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([0, 1]), st.one_of(writes, writes, reads, access)),
        st.tuples(st.just(2), st.one_of(lasting, writes)),
        st.tuples(st.just(1), st.just(CloseInstance)),
    ),
    min_size=1,
    max_size=40,
)


_roots = count()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_the_same_requests_get_the_same_answers(real: str, embedded: str, steps: list[tuple[int, Any]]) -> None:
    root = f"/root-{next(_roots)}"
    for step, expected, found in zip(steps, play(real, root, steps), play(embedded, root, steps), strict=True):
        assert found == expected, step


def play(address: str, root: str, steps: list[tuple[int, Any]]) -> list[Any]:
    """Play the steps of three clients below a new root, and tell what they saw."""
    with ExitStack() as sessions:
        clients = [sessions.enter_context(WireClient(address)) for _ in range(3)]
        owners = {client.session_id: f"client {number}" for number, client in enumerate(clients)}
        assert clients[0].call(Create(root, b"", OPEN_ACL_UNSAFE, 0)).error == 0
        transcript: list[Any] = []
        for number, request in steps:
            reply = clients[number].call(rooted(request, root))
            if isinstance(request, Close):
                assert clients[number].is_closed()
                clients[number] = sessions.enter_context(WireClient(address))
                owners[clients[number].session_id] = f"client {number} after {len(transcript)}"
            for each in clients:  # an event comes before any answer that is newer
                each.call(Sync(root))
            transcript.append((reply.error, reply.result, [tuple(each.events) for each in clients]))
        for each in clients:
            each.call(CloseInstance)
    zxids = sorted({zxid for stat in stats_in(transcript) for zxid in (stat.czxid, stat.mzxid, stat.pzxid)})
    ranks = {zxid: rank for rank, zxid in enumerate(zxids)}
    return [normalised(entry, ranks, owners) for entry in transcript]


def rooted(request: Any, root: str) -> Any:
    """Put a request below the root."""
    if isinstance(request, Transaction):
        return Transaction([rooted(operation, root) for operation in request.operations])
    return request._replace(path=root + request.path) if "path" in request._fields else request


def stats_in(value: Any) -> Iterator[ZnodeStat]:
    """Find all stats within results."""
    if isinstance(value, ZnodeStat):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from stats_in(part)


def normalised(value: Any, ranks: dict[int, int], owners: dict[int, str]) -> Any:
    """Replace what legitimately differs between two servers."""
    if isinstance(value, ZnodeStat):
        zxids = {name: ranks[getattr(value, name)] for name in ("czxid", "mzxid", "pzxid")}
        owner = owners[value.ephemeralOwner] if value.ephemeralOwner else None
        return value._replace(**zxids, ephemeralOwner=owner, ctime=None, mtime=None)
    if isinstance(value, ZookeeperError):
        return type(value).__name__
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [normalised(part, ranks, owners) for part in value]
    return value
