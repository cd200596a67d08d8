"""The way from foreign threads into trio: in order, for any number of threads, and harmless after the end."""

from __future__ import annotations

import threading
from functools import partial

import trio

from hfs_appliance.adapters.zookeeper.inbox import Inbox


async def test_marks_of_one_thread_run_in_trio_in_their_order() -> None:
    inbox = Inbox()
    seen: list[tuple[str, int]] = []
    done = trio.Event()
    left = 4

    def finished() -> None:
        nonlocal left
        assert threading.current_thread() is trio_thread
        left -= 1
        if left == 0:
            done.set()

    def post_all(name: str) -> None:
        for serial in range(1_000):
            inbox.post(partial(seen.append, (name, serial)))
        inbox.post(finished)

    trio_thread = threading.current_thread()
    threads = [threading.Thread(target=post_all, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    with trio.fail_after(30):
        await done.wait()
    for name in "abcd":
        assert [serial for by, serial in seen if by == name] == list(range(1_000))
    for thread in threads:
        thread.join()


async def test_a_mark_may_post_another() -> None:
    inbox = Inbox()
    done = trio.Event()
    inbox.post(lambda: inbox.post(done.set))
    with trio.fail_after(30):
        await done.wait()


def test_after_the_end_of_the_loop_marks_are_dropped() -> None:
    async def make() -> Inbox:
        await trio.lowlevel.checkpoint()
        return Inbox()

    inbox = trio.run(make)
    ran: list[int] = []
    inbox.post(lambda: ran.append(1))
    assert ran == []
