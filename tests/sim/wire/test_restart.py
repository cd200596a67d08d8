"""kill -9 of the embedded registry: nothing that was acknowledged is lost, and sessions go on."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException
from kazoo.protocol.serialization import Create, Exists, GetChildren2, GetData, SetData
from kazoo.retry import KazooRetry
from kazoo.security import OPEN_ACL_UNSAFE

from sim.wire.zookeeper.storage import Storage
from tests.sim.wire.wire_client import WireClient
from tests.support.zookeeper import TICK_MS, Server, prepare_embedded

PATIENCE_SECONDS = 20
WATCH = True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    servers = prepare_embedded(tmp_path)
    trio.run(servers.start)
    try:
        yield servers.members[0]
    finally:
        servers.kill()


def restart(server: Server) -> None:
    server.kill()
    trio.run(server.start)


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    retry = KazooRetry(max_tries=-1, delay=0.05, backoff=1.0, max_jitter=0.0)
    client = KazooClient(hosts=server.address, timeout=20 * TICK_MS / 1000, connection_retry=retry)
    client.start(PATIENCE_SECONDS)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def wait_for(seen: queue.Queue[Any], wanted: Any) -> None:
    while seen.get(timeout=PATIENCE_SECONDS) != wanted:
        pass


def test_kazoo_goes_on_with_its_session_and_ephemerals(server: Server, client: Any) -> None:
    states: queue.Queue[Any] = queue.Queue()
    client.add_listener(states.put)
    session = client.client_id
    client.create("/durable", b"kept")
    client.create("/ephemeral", ephemeral=True)
    restart(server)
    wait_for(states, KazooState.SUSPENDED)
    wait_for(states, KazooState.CONNECTED)
    assert client.client_id == session
    assert client.get("/durable")[0] == b"kept"
    assert client.exists("/ephemeral").ephemeralOwner == session[0]
    assert client.create("/later-", sequence=True) == "/later-0000000002"


def test_whatever_was_acknowledged_under_load_is_there(server: Server, client: Any) -> None:
    states: queue.Queue[Any] = queue.Queue()
    client.add_listener(states.put)
    acknowledged: list[str] = []
    for _ in range(3):
        pending = [client.create_async("/n-", bytes(500), sequence=True) for _ in range(2000)]
        acknowledged.append(pending[200].get(timeout=PATIENCE_SECONDS))
        restart(server)
        for each in pending:
            try:
                acknowledged.append(each.get(timeout=PATIENCE_SECONDS))
            except KazooException:  # its answer was lost: it may be there or not
                continue
        wait_for(states, KazooState.CONNECTED)
        assert set(acknowledged) <= {f"/{name}" for name in client.retry(client.get_children, "/")}
    assert len(acknowledged) > 600


def test_stats_are_the_same_afterwards(server: Server) -> None:
    with WireClient(server.address) as before:
        for path in ("/a", "/a/b", "/a/c"):
            before.call(Create(path, b"x", OPEN_ACL_UNSAFE, 0))
        before.call(SetData("/a", None, -1))
        expected = [before.call(GetData("/a", None)).result, before.call(GetChildren2("/a", None)).result]
    for _ in range(2):
        restart(server)
        with WireClient(server.address) as after:
            found = [after.call(GetData("/a", None)).result, after.call(GetChildren2("/a", None)).result]
        assert found == expected


def test_snapshots_are_taken_by_the_way(server: Server, tmp_path: Path) -> None:
    with WireClient(server.address) as client:
        client.call(Create("/big", b"", OPEN_ACL_UNSAFE, 0))
        version = 0
        while not list((tmp_path / "data").glob("snapshot.*")):
            version += 1
            assert client.call(SetData("/big", bytes(1_000_000), -1)).result.version == version
            assert version < 100
        restart(server)
    with WireClient(server.address) as client:
        value, stat = client.call(GetData("/big", None)).result
        assert (len(value), stat.version) == (1_000_000, version)


def test_a_session_gets_its_full_timeout_again_and_then_expires(server: Server) -> None:
    with WireClient(server.address, timeout_ms=15 * TICK_MS) as gone:
        gone.call(Create("/e", b"", OPEN_ACL_UNSAFE, 1))
    restart(server)
    with WireClient(server.address) as other:
        began = time.monotonic()
        assert other.call(Exists("/e", WATCH)).error == 0
        assert other.wait_event() == (2, "/e")
        assert time.monotonic() - began >= 5 * TICK_MS / 1000  # the rest went by while it started
    with WireClient(server.address, session_id=gone.session_id, password=gone.password) as late:
        assert late.session_id == 0


def test_a_server_that_stood_still_does_not_blame_its_clients(server: Server) -> None:
    with WireClient(server.address, timeout_ms=4 * TICK_MS) as client:
        client.call(Create("/e", b"", OPEN_ACL_UNSAFE, 1))
        server.freeze()
        assert client.hears_nothing(6 * TICK_MS / 1000)
        server.thaw()
        assert client.call(Exists("/e", None)).error == 0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sim.wire.zookeeper", *arguments]


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(tmp_path: Path, signal_: signal.Signals) -> None:
    with subprocess.Popen(
        command("--port", "0", "--data", str(tmp_path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        address = server.stdout.readline().split()[-1]
        with WireClient(address) as client:
            client.call(Create("/a", b"", OPEN_ACL_UNSAFE, 0))
            server.send_signal(signal_)
            assert server.wait(PATIENCE_SECONDS) == 0
            assert server.stderr.read() == ""
            assert client.is_closed()


def fill(client: WireClient) -> int:
    """Set values until the server is gone, and count them."""
    acknowledged = 0
    while True:
        try:
            client.call(SetData("/a", bytes(10_000), acknowledged))
        except (EOFError, ConnectionResetError):
            return acknowledged
        acknowledged += 1


def test_a_full_disk_ends_it_and_loses_nothing(tmp_path: Path) -> None:
    limited = ["/usr/bin/prlimit", "--fsize=200000", *command("--port", "0", "--data", str(tmp_path))]
    with subprocess.Popen(limited, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        with WireClient(server.stdout.readline().split()[-1]) as client:
            client.call(Create("/a", b"", OPEN_ACL_UNSAFE, 0))
            acknowledged = fill(client)
        assert server.wait(PATIENCE_SECONDS) == 1
        assert "File too large" in server.stderr.read()
    with Storage.open(tmp_path) as storage:
        assert storage.recover(now_ms=0).tree.znodes["/a"].version == acknowledged


def test_a_taken_port_is_said(server: Server, tmp_path: Path) -> None:
    host, port = server.address.split(":")
    arguments = ("--address", host, "--port", port, "--data", str(tmp_path / "other"))
    tried = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert tried.returncode == 1
    assert f"at {server.address}: " in tried.stderr
    assert "Address already in use" in tried.stderr
    assert "Traceback" not in tried.stderr


def test_a_locked_directory_is_said(server: Server, tmp_path: Path) -> None:
    assert server.address
    arguments = ("--port", "0", "--data", str(tmp_path / "data"))
    tried = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert tried.returncode == 1
    assert tried.stderr.endswith("another registry works on this directory\n")
