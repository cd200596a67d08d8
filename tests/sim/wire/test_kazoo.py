"""kazoo itself, unmodified, against the embedded registry: what it and its recipes do, they must do here."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    BadVersionError,
    InvalidACLError,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.serialization import CloseInstance, Create
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

from tests.sim.wire.wire_client import WireClient

PATIENCE_SECONDS = 20
_names = count()


@pytest.fixture
def clients(embedded: str) -> Iterator[Callable[[], Any]]:
    """Give a maker of started clients, all below one new root."""
    started = []
    root = f"/kazoo-{next(_names)}"
    with WireClient(embedded) as client:
        client.call(Create(root, b"", OPEN_ACL_UNSAFE, 0))

    def make() -> Any:
        client = KazooClient(hosts=embedded + root, timeout=4)
        started.append(client)
        client.start(PATIENCE_SECONDS)
        return client

    try:
        yield make
    finally:
        for client in started:
            client.stop()
            client.close()


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def wait_for(seen: queue.Queue[Any], wanted: Any) -> None:
    """Take from the queue until the wanted thing comes."""
    while seen.get(timeout=PATIENCE_SECONDS) != wanted:
        pass


def test_calls(clients: Callable[[], Any]) -> None:
    client = clients()
    path, stat = client.create("/a", b"x", include_data=True)
    assert (path, stat.version, stat.dataLength) == ("/a", 0, 1)
    assert client.set("/a", b"yy").version == 1
    assert client.get("/a")[0] == b"yy"
    assert client.create("/a/b/c", makepath=True) == "/a/b/c"
    assert client.get_children("/a") == ["b"]
    assert client.create("/a/s-", ephemeral=True, sequence=True) == "/a/s-0000000001"
    assert client.sync("/a") == "/a"
    assert client.exists("/nowhere") is None
    with pytest.raises(BadVersionError):
        client.set("/a", b"", version=7)
    with pytest.raises(NotEmptyError):
        client.delete("/a")
    with pytest.raises(NodeExistsError):
        client.create("/a")
    with pytest.raises(NoNodeError):
        client.get("/nowhere")
    with pytest.raises(NoChildrenForEphemeralsError):
        client.create("/a/s-0000000001/x")
    client.delete("/a", recursive=True)
    assert client.get_children("/") == []


def test_transactions(clients: Callable[[], Any]) -> None:
    client = clients()
    transaction = client.transaction()
    transaction.create("/a", b"1")
    transaction.check("/a", 0)
    transaction.set_data("/a", b"2")
    transaction.create("/a/b")
    transaction.delete("/a/b")
    created, checked, changed, again, deleted = transaction.commit()
    assert (created, checked, changed.version, again, deleted) == ("/a", True, 1, "/a/b", True)
    transaction = client.transaction()
    transaction.set_data("/a", b"3")
    transaction.check("/a", 9)
    transaction.delete("/a")
    assert [type(result) for result in transaction.commit()] == [RolledBackError, BadVersionError, RuntimeInconsistency]
    assert client.get("/a")[0] == b"2"


def test_access_lists(clients: Callable[[], Any]) -> None:
    owner, stranger = clients(), clients()
    acl = [make_digest_acl("ann", "secret", all=True)]
    owner.add_auth("digest", "ann:secret")
    owner.create("/a", b"private", acl=acl)
    for attempt in (stranger.get, stranger.get_children, stranger.get_acls):
        with pytest.raises(NoAuthError):
            attempt("/a")
    with pytest.raises(NoAuthError):
        stranger.create("/a/b")
    with pytest.raises(InvalidACLError):
        stranger.create("/b", acl=[make_acl("nonsense", "x", all=True)])
    stranger.add_auth("digest", "ann:secret")
    assert stranger.get("/a")[0] == b"private"
    assert owner.get_acls("/a")[0] == acl
    # A new connection proves its identity again by itself.
    owner.restart()
    assert owner.get("/a")[0] == b"private"


def test_commands(embedded: str, clients: Callable[[], Any]) -> None:
    client = clients()
    client.create("/e", ephemeral=True)
    assert client.server_version() == (3, 8, 0)
    for word, part in {
        b"ruok": "imok",
        b"isro": "rw",
        b"srvr": "Mode: standalone\n",
        b"stat": "Clients:\n /127.",
        b"mntr": "zk_server_state\tstandalone\n",
        b"conf": f"clientPort={embedded.split(':')[1]}\n",
        b"cons": f"sid={client.client_id[0]:#x})\n",
        b"wchs": "Total watches:",
        b"dump": f"{client.client_id[0]:#x}:\n\t/kazoo-",
    }.items():
        assert part in client.command(word)


def test_an_expired_session_is_lost_and_followed_by_a_new_one(embedded: str, clients: Callable[[], Any]) -> None:
    client, other = clients(), clients()
    states: queue.Queue[Any] = queue.Queue()
    client.add_listener(states.put)
    client.create("/e", ephemeral=True)
    gone = threading.Event()
    assert other.exists("/e", watch=lambda _: gone.set())
    session_id, password = client.client_id
    with WireClient(embedded, session_id=session_id, password=password) as thief:
        thief.call(CloseInstance)
    assert gone.wait(PATIENCE_SECONDS)
    wait_for(states, KazooState.LOST)
    wait_for(states, KazooState.CONNECTED)
    assert client.client_id[0] != session_id
    assert client.exists("/e") is None


def test_lock(clients: Callable[[], Any]) -> None:
    first, second = clients(), clients()
    held, waiting = first.Lock("/lock", "first"), second.Lock("/lock", "second")
    assert held.acquire(timeout=PATIENCE_SECONDS)
    assert not waiting.acquire(blocking=False)
    thread = in_thread(lambda: waiting.acquire(timeout=PATIENCE_SECONDS))
    contenders: queue.Queue[Any] = queue.Queue()
    ChildrenWatch(first, "/lock", lambda names: contenders.put(len(names)))
    wait_for(contenders, 2)
    assert held.contenders() == ["first", "second"]
    held.release()
    thread.join(PATIENCE_SECONDS)
    assert waiting.is_acquired
    waiting.release()


def test_a_lock_of_a_closed_session_is_free(clients: Callable[[], Any]) -> None:
    first, second = clients(), clients()
    assert first.Lock("/lock").acquire(timeout=PATIENCE_SECONDS)
    first.stop()
    assert second.Lock("/lock").acquire(timeout=PATIENCE_SECONDS)


def test_election(clients: Callable[[], Any]) -> None:
    led: queue.Queue[Any] = queue.Queue()

    def lead(name: str) -> None:
        clients().Election("/election", name).run(led.put, name)

    threads = [in_thread(partial(lead, name)) for name in ("a", "b", "c")]
    assert {led.get(timeout=PATIENCE_SECONDS) for _ in threads} == {"a", "b", "c"}
    for thread in threads:
        thread.join(PATIENCE_SECONDS)


def test_counter(clients: Callable[[], Any]) -> None:
    made = [clients() for _ in range(3)]

    def add(client: Any) -> None:
        counter = client.Counter("/counter")
        for _ in range(20):
            counter += 1

    threads = [in_thread(partial(add, client)) for client in made]
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert made[0].Counter("/counter").value == 60


def test_queue(clients: Callable[[], Any]) -> None:
    giver, taker = clients(), clients()
    for number in (b"2", b"1", b"3"):
        giver.Queue("/queue").put(number, priority=int(number))
    assert [taker.Queue("/queue").get() for _ in range(4)] == [b"1", b"2", b"3", None]
    locking = giver.LockingQueue("/locking")
    locking.put_all([b"a", b"b"])
    other = taker.LockingQueue("/locking")
    assert other.get(timeout=PATIENCE_SECONDS) == b"a"
    assert locking.get(timeout=PATIENCE_SECONDS) == b"b"
    assert other.consume()


def test_children_watch(clients: Callable[[], Any]) -> None:
    client, other = clients(), clients()
    client.create("/parent")
    seen: queue.Queue[Any] = queue.Queue()
    ChildrenWatch(client, "/parent", lambda names: seen.put(sorted(names)))
    wait_for(seen, [])
    other.create("/parent/a")
    wait_for(seen, ["a"])
    other.create("/parent/b")
    wait_for(seen, ["a", "b"])
    other.delete("/parent/a")
    wait_for(seen, ["b"])


def test_data_watch(clients: Callable[[], Any]) -> None:
    client, other = clients(), clients()
    seen: queue.Queue[Any] = queue.Queue()
    DataWatch(client, "/value", lambda value, _stat: seen.put(value))
    wait_for(seen, None)
    other.create("/value", b"1")
    wait_for(seen, b"1")
    other.set("/value", b"2")
    wait_for(seen, b"2")
    other.delete("/value")
    wait_for(seen, None)


def test_barrier_party_and_semaphore(clients: Callable[[], Any]) -> None:
    first, second = clients(), clients()
    barrier = first.Barrier("/barrier")
    barrier.create()
    passed = in_thread(lambda: second.Barrier("/barrier").wait(PATIENCE_SECONDS))
    barrier.remove()
    passed.join(PATIENCE_SECONDS)
    assert not passed.is_alive()
    party = first.Party("/party", "first")
    party.join()
    second.Party("/party", "second").join()
    assert sorted(party) == ["first", "second"]
    assert first.Semaphore("/semaphore", max_leases=1).acquire(timeout=PATIENCE_SECONDS)
    assert not second.Semaphore("/semaphore", max_leases=1).acquire(blocking=False)


def test_ten_thousand_children_can_be_listed(clients: Callable[[], Any]) -> None:
    client = clients()
    client.create("/many")
    for thousand in range(10):
        transaction = client.transaction()
        for number in range(1000):
            transaction.create(f"/many/{thousand}-{number}")
        assert len(transaction.commit()) == 1000
    assert len(client.get_children("/many")) == 10_000
