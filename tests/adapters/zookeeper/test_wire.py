"""What the door to kazoo relies on, and the pitfalls of kazoo that it guards against: each is shown first."""

from __future__ import annotations

import hashlib
import inspect
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import kazoo.client
import kazoo.handlers.threading
import kazoo.protocol.connection
import kazoo.protocol.serialization
import pytest
import trio
from kazoo.client import KazooClient
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.connection import PING_XID
from kazoo.protocol.states import KazooState
from kazoo.retry import ForceRetryError, KazooRetry

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.zookeeper.wire import Client, Wakeups
from hfs_appliance.model.instants import Instant, seconds
from tests.support.tcp_proxy import tcp_proxy
from tests.support.zookeeper import embedded


class Listener:
    """Remembers the answers that it was told of."""

    def __init__(self) -> None:
        self.answers: list[Instant] = []

    def on_session(self, session_id: int, timeout_ms: int, asked_at: Instant) -> None: ...
    def on_state(self, state: KazooState) -> None: ...
    def on_answer(self, asked_at: Instant) -> None:
        self.answers.append(asked_at)

    def on_change(self, path: str) -> None: ...
    def on_end(self) -> None: ...


def client(*hosts: str, session_timeout: float = 1.0) -> Client:
    return Client(hosts, session_timeout=seconds(session_timeout), told=Listener(), now=SystemClock().now)


@pytest.mark.parametrize(
    ("module", "digest"),
    [
        (kazoo.client, "593f130189465bdf"),
        (kazoo.handlers.threading, "b5a03dc71647f3f9"),
        (kazoo.protocol.connection, "fd111c7857191105"),
        (kazoo.protocol.serialization, "b4883eba3d746282"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, ModuleType) else "",
)
def test_kazoo_is_the_one_that_the_door_was_made_for(module: ModuleType, digest: str) -> None:
    found = hashlib.sha256(inspect.getsource(module).encode()).hexdigest()[:16]
    assert found == digest, f"{module.__name__} has changed: compare it with wire.py line by line, then pin {found}"


def fill(send: Callable[[bytes], int], most: int) -> int:
    """Send until it would block, and count."""
    for sent in range(most):
        try:
            send(b"\0")
        except BlockingIOError:
            return sent
    return most


def test_kazoos_wakeups_fill_up_and_ours_do_not() -> None:
    receiving, sending = SequentialThreadingHandler().create_socket_pair()
    sending.settimeout(0)  # else the next line would hang, as the caller of kazoo would
    assert fill(sending.send, 1_000) < 1_000
    sending.close()
    receiving.close()
    ours = Wakeups()
    assert fill(ours.send, 100_000) == 100_000
    for _ in range(100_000):
        ours.recv(1)
    assert fill(ours.send, 1) == 1
    ours.close()
    ours.close()


def longest_wait(retry: KazooRetry) -> float:
    """Give the longest pause between two attempts to connect during an outage of an hour."""
    waits: list[float] = []

    def attempt() -> None:
        if sum(waits) < 3600:
            raise ForceRetryError

    patient = retry.copy()
    patient.interrupt = None
    patient.sleep_func = waits.append
    patient(attempt)
    return max(waits)


def test_kazoo_waits_for_minutes_between_attempts_and_we_do_not() -> None:
    assert longest_wait(KazooClient()._conn_retry) > 300
    assert longest_wait(client("127.0.0.1:1")._conn_retry) < 1.5


def test_connecting_to_a_silent_host_takes_a_share_of_the_session_timeout() -> None:
    """kazoo's own limit is the whole timeout, for the first of many hosts."""
    with socket.socket() as silent, socket.socket() as fills_the_queue:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fills_the_queue.connect(silent.getsockname())
        ours = client("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", session_timeout=3)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            ours.handler.create_connection(address=silent.getsockname(), timeout=3)
        assert 0.3 < time.monotonic() - began < 2.5


def test_an_answer_vouches_for_its_own_heartbeat_not_for_a_later_one() -> None:
    """Two heartbeats are on their way when the first answer comes: the lease must not count from the second."""
    now = iter(map(Instant, range(100)))
    told = Listener()
    pinging = Client(["127.0.0.1:1"], session_timeout=seconds(1), told=told, now=lambda: next(now))
    connection = pinging._connection
    connection._socket, server = socket.socketpair()
    with connection._socket, server:
        sent = []
        for _ in range(2):
            connection._send_ping(1)
            sent.append(connection._pings[-1])
        for _ in range(2):
            server.send(struct.pack("!iiqi", 16, PING_XID, 0, 0))
            connection._read_header(1)
    assert told.answers == sent == sorted(set(sent))


async def test_kazoo_takes_what_it_sends_for_a_sign_of_life_and_we_do_not(tmp_path: Path) -> None:
    async with embedded(tmp_path) as servers, tcp_proxy(servers.hosts[0]) as proxy:
        both = [KazooClient(hosts=proxy.address, timeout=0.6), client(proxy.address, session_timeout=0.6)]
        for each in both:
            await trio.to_thread.run_sync(each.start)
        proxy.black_hole()
        until = trio.current_time() + 2
        while trio.current_time() < until:
            for each in both:
                each.exists_async("/")
            await trio.sleep(0.02)
        assert [each.state for each in both] == [KazooState.CONNECTED, KazooState.SUSPENDED]
        proxy.cut()
        for each in both:
            await trio.to_thread.run_sync(each.stop)
            each.close()
