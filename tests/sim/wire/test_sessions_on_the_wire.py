"""Sessions as the wire shows them, at the embedded registry and at real ZooKeeper alike."""

from __future__ import annotations

import contextlib
import socket
import time
from itertools import count

import pytest
from kazoo.protocol.serialization import Auth, CloseInstance, Create, Exists, GetData, PingInstance, SetData
from kazoo.security import OPEN_ACL_UNSAFE

from tests.sim.wire.wire_client import Raw, WireClient
from tests.support.zookeeper import TICK_MS

WATCH = True
_names = count()


@pytest.fixture
def path() -> str:
    return f"/sessions-{next(_names)}"


def test_a_timeout_is_kept_within_2_and_20_ticks(address: str) -> None:
    for asked, given in ((1, 2 * TICK_MS), (7 * TICK_MS, 7 * TICK_MS), (10**6, 20 * TICK_MS)):
        with WireClient(address, timeout_ms=asked) as client:
            assert client.timeout_ms == given


def test_a_session_outlives_its_connection(address: str, path: str) -> None:
    with WireClient(address) as before:
        before.call(Create(path, b"x", OPEN_ACL_UNSAFE, 1))
    with WireClient(address, session_id=before.session_id, password=before.password) as after:
        assert after.session_id == before.session_id
        assert after.password == before.password
        assert after.call(Exists(path, None)).result.ephemeralOwner == before.session_id
        after.call(CloseInstance)


@pytest.mark.parametrize("fault", ["wrong password", "unknown session"])
def test_a_session_that_is_not_yours_has_expired(address: str, fault: str) -> None:
    with WireClient(address) as owner:
        session_id = owner.session_id + (fault == "unknown session")
        password = owner.password if fault == "unknown session" else b"0" * 16
        with WireClient(address, session_id=session_id, password=password) as stranger:
            assert (stranger.session_id, stranger.timeout_ms, stranger.password) == (0, 0, bytes(16))
            assert stranger.is_closed()


def test_a_session_moves_to_the_newest_connection(address: str) -> None:
    with (
        WireClient(address) as old,
        WireClient(address, session_id=old.session_id, password=old.password) as new,
    ):
        assert old.is_closed()
        assert new.call(Exists("/", None)).error == 0


def test_silence_ends_a_session_at_its_timeout(address: str, path: str) -> None:
    with WireClient(address) as other, WireClient(address, timeout_ms=4 * TICK_MS) as silent:
        silent.call(Create(path, b"", OPEN_ACL_UNSAFE, 1))
        other.call(Exists(path, WATCH))
        before = time.monotonic()
        assert silent.is_closed()
        passed_ms = (time.monotonic() - before) * 1000
        assert passed_ms >= 3 * TICK_MS  # real servers count in whole ticks
        assert other.call(Exists(path, None)).result is None
        assert other.events == [(2, path)]
        with WireClient(address, session_id=silent.session_id, password=silent.password) as late:
            assert late.session_id == 0


def test_pings_keep_a_session(address: str, path: str) -> None:
    with WireClient(address, timeout_ms=6 * TICK_MS) as client:
        client.call(Create(path, b"", OPEN_ACL_UNSAFE, 1))
        until = time.monotonic() + 8 * TICK_MS / 1000
        while time.monotonic() < until:
            assert client.call(PingInstance).error == 0
        assert client.call(Exists(path, None)).error == 0


def test_closing_removes_ephemerals_before_the_answer(address: str, path: str) -> None:
    with WireClient(address) as other, WireClient(address) as client:
        client.call(Create(path, b"", OPEN_ACL_UNSAFE, 1))
        assert client.call(CloseInstance).error == 0
        assert client.is_closed()
        assert other.call(Exists(path, None)).error == -101


def test_a_client_that_knows_a_later_zxid_is_refused(address: str) -> None:
    with pytest.raises((EOFError, ConnectionResetError)):
        WireClient(address, zxid=2**40)


def test_a_failed_proof_of_identity_ends_the_connection(address: str) -> None:
    with WireClient(address) as client:
        assert client.call(Auth(0, "nonsense", "x")).error == -115
        assert client.is_closed()


def test_frames_are_limited(address: str, path: str) -> None:
    with WireClient(address) as client:
        client.call(Create(path, b"", OPEN_ACL_UNSAFE, 0))
        value = bytes(0xFFFFF - 20 - len(path))  # 20: xid, opcode, two lengths and the version
        assert client.call(SetData(path, value, -1)).error == 0
        assert client.call(GetData(path, None)).result[0] == value
        client.send(bytes(0xFFFFF + 1))
        assert client.is_closed()


def test_unknown_operations_are_unimplemented(address: str) -> None:
    with WireClient(address) as client:
        assert client.call(Raw(1234, b"")).error in (-6, -5)


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x04abcd"])
def test_what_is_no_client_is_cut_off(address: str, nonsense: bytes) -> None:
    with WireClient(address) as good:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as stranger:
            stranger.sendall(nonsense)
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(1) == b""
        assert good.call(Exists("/", None)).error == 0
