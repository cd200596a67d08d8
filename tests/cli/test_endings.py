"""How commands end when people do not wait for their end: Ctrl-C, a pipe whose reader has enough, a no."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from hfs_appliance.model.events import CloudUnreachable
from tests.cli.conftest import Commands


@asynccontextmanager
async def started(
    hfs: Commands, *arguments: str, stdin: int = subprocess.DEVNULL
) -> AsyncGenerator[trio.Process, None]:
    """Start a command as a shell would, in a process of its own."""
    start = partial(
        trio.run_process,
        [sys.executable, "-m", "hfs_appliance", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "HFS_API": hfs.served.url},
        check=False,
    )
    async with trio.open_nursery() as nursery:
        with trio.fail_after(20):
            yield await nursery.start(start)
        nursery.cancel_scope.cancel()


async def ended(process: trio.Process) -> tuple[int, str]:
    """Give the exit code and what was said to stderr."""
    assert process.stderr is not None
    said = b"".join([part async for part in process.stderr])
    return await process.wait(), said.decode()


@pytest.mark.parametrize("arguments", ["--help", "events", "events --json", "servers", "explain small-0001 --json"])
async def test_a_reader_that_has_enough_is_no_failure(hfs: Commands, arguments: str) -> None:
    for _ in range(100):
        hfs.control.tell(CloudUnreachable(words="timeout"))
    async with started(hfs, *arguments.split()) as process:
        assert process.stdout is not None
        await process.stdout.aclose()
        assert await ended(process) == (0, "")


@pytest.mark.parametrize("arguments", ["events --follow", "events --follow --json", "status --watch"])
async def test_ctrl_c_is_130_without_a_word(hfs: Commands, arguments: str) -> None:
    hfs.control.tell(CloudUnreachable(words="timeout"))
    async with started(hfs, *arguments.split()) as process:
        assert process.stdout is not None
        assert await process.stdout.receive_some()
        process.send_signal(signal.SIGINT)
        assert await ended(process) == (130, "\n")


@pytest.mark.parametrize(("typed", "ending"), [("\x04", (130, "\n")), ("n\n", (1, "nothing was changed\n"))])
async def test_a_question_may_be_left_or_denied(hfs: Commands, typed: str, ending: tuple[int, str]) -> None:
    """Ctrl-D stands for Ctrl-C here: click makes the same of both, and this one cannot come too early."""
    keyboard, terminal = os.openpty()
    async with started(hfs, "down", stdin=terminal) as process:
        assert process.stderr is not None
        assert b"[y/N]" in await process.stderr.receive_some()
        os.write(keyboard, typed.encode())
        assert await ended(process) == ending
    os.close(terminal)
    os.close(keyboard)
    assert hfs.control.asked == []
