"""The wire format: bytes that are no request are refused as such, and never break the server."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kazoo.protocol.serialization import (
    Auth,
    CheckVersion,
    Create,
    Delete,
    Exists,
    GetACL,
    GetChildren2,
    GetData,
    SetACL,
    SetData,
    Sync,
    Transaction,
    int_int_struct,
)
from kazoo.security import OPEN_ACL_UNSAFE

from sim.wire.zookeeper import access
from sim.wire.zookeeper.core import Caller, Core
from sim.wire.zookeeper.jute import Malformed
from sim.wire.zookeeper.paths import check_path
from sim.wire.zookeeper.protocol import Opcode, read_connect, read_request, write_reply
from sim.wire.zookeeper.requests import (
    AddWatch,
    Authenticate,
    Check,
    CloseSession,
    Multi,
    Ping,
    RemoveWatches,
    SetAccess,
    SetValue,
    SetWatches,
)
from sim.wire.zookeeper.requests import Create as CreateRequest
from sim.wire.zookeeper.requests import Delete as DeleteRequest
from sim.wire.zookeeper.results import Failure
from sim.wire.zookeeper.values import Refused
from tests.sim.wire.wire_client import add_watch, set_watches

REQUESTS = (
    Create("/a", b"x", OPEN_ACL_UNSAFE, 3),
    Delete("/a", -1),
    Exists("/", watcher=True),
    GetData("/", watcher=True),
    GetChildren2("/", watcher=True),
    SetData("/", b"x", -1),
    GetACL("/"),
    SetACL("/", OPEN_ACL_UNSAFE, -1),
    Sync("/"),
    Transaction([Create("/a", b"x", OPEN_ACL_UNSAFE, 0), CheckVersion("/", 0)]),
    Auth(0, "digest", "ann:secret"),
    add_watch("/", 1),
    set_watches(0, ("/",), ("/a",), ("/",), ("/",), ("/",)),
)
frames = st.sampled_from(REQUESTS).map(lambda each: int_int_struct.pack(1, each.type) + bytes(each.serialize()))


@st.composite
def broken_frames(draw: st.DrawFn) -> bytes:
    """Draw a request of which something was overwritten, cut off or added."""
    frame = bytearray(draw(frames))
    start = draw(st.integers(4, len(frame)))
    frame[start : start + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(frame)


@given(
    frame=st.one_of(broken_frames(), st.builds(int_int_struct.pack, st.just(1), st.sampled_from(Opcode)), st.binary())
)
@example(frame=b"\0\0\0\1\0\0\0\x65" + bytes(8) + b"\x7f\xff\xff\xff")
def test_no_frame_breaks_the_server(frame: bytes) -> None:
    core, caller = Core(bytes(32)), Caller(watcher=1, session_id=1)
    try:
        xid, request = read_request(frame)
    except Malformed:
        return
    match request:
        case Failure() | Ping() | CloseSession():
            return
        case Authenticate():
            try:
                access.authenticate(request.scheme, request.credential)
            except Refused:
                return
        case CreateRequest() | DeleteRequest() | SetValue() | SetAccess() | Check() | Multi():
            assert write_reply(xid, 1, core.write(request, caller, zxid=1, time_ms=0).result)
        case AddWatch() | RemoveWatches() | SetWatches():
            assert write_reply(xid, 1, core.watch(request, caller).result)
        case _:
            assert write_reply(xid, 1, core.read(request, caller))


@given(frame=st.binary(max_size=60))
def test_no_greeting_breaks_the_server(frame: bytes) -> None:
    try:
        read_connect(frame)
    except Malformed:
        return


@pytest.mark.parametrize("path", ["/", "/a", "/a/b", "/a.b", "/...", "/.a", "/a b", "/ä", "/\uf900"])
def test_paths(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//",
        "/a/",
        "/a//b",
        "/.",
        "/a/..",
        "/../a",
        "/a/./b",
        "/\0",
        "/a\n",
        "/\x7f",
        "/\ue000",
        "/\ufff0",
        "/😀",
    ],
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(Refused):
        check_path(path)
