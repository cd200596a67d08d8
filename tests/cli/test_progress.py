"""The console of `hfs run`: the live view to the end, plain lines without a terminal, JSON for machines."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import trio
import trio.testing
from rich.console import Console

from hfs_appliance.cli import progress
from hfs_appliance.model.events import ActionDone, CloudUnreachable, DesiredChanged
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.reports import ServerReport
from tests.support.script import Script

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
"""Colours and movements of the cursor."""


@pytest.fixture(autouse=True)
def quick_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FRAME_S", 0.03)


class Screen:
    """A terminal of 100 columns that remembers what was written to it."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.file = io.StringIO()
        self.console = Console(
            file=self.file, force_terminal=is_terminal, width=100, height=40, highlight=False, legacy_windows=False
        )

    @property
    def text(self) -> str:
        return CONTROL.sub("", self.file.getvalue())

    async def wait(self, *words: str) -> None:
        """Wait until all these words were written."""
        with trio.fail_after(30):
            while not all(word in self.text for word in words):
                await trio.testing.wait_all_tasks_blocked(0.01)


def close(script: Script) -> None:
    script.control.now = replace(script.control.now, mode="closing", converged=False, servers_total=12)
    script.control.tell(DesiredChanged(generation=2, author="you", words="nothing is wanted"))


async def build(script: Script) -> None:
    while not script.is_done():
        script.step()
        await trio.testing.wait_all_tasks_blocked()


async def test_a_newcomer_sees_it_grow_and_what_to_do_next(nursery: trio.Nursery) -> None:
    script, screen = Script(), Screen(is_terminal=True)
    nursery.start_soon(progress.show, script.control, screen.console)
    await screen.wait("Building  local", "waiting for the registry (connecting)")
    for _ in range(7):
        script.step()
    await screen.wait("instances serve at http://127.0.0.1:8080", "0/3 serving", "starting", "building")
    await build(script)
    await screen.wait(
        "Converged  local", "10 of 10 instances serve", "httpbin 1.0.0 on small-0010 serves (127.77.0.10)"
    )
    await screen.wait("ready  4 services, 10 instances", "http://127.0.0.1:8080/docs/", "kill SERVER")


async def test_servers_are_not_asked_for_before_anything_is_known(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, screen = Script(), Screen(is_terminal=True)
    asked: list[str] = []

    def servers() -> list[ServerReport]:
        asked.append(script.control.now.mode)
        return []

    monkeypatch.setattr(script.control, "servers", servers)
    nursery.start_soon(progress.show, script.control, screen.console)
    await screen.wait("waiting for the registry (connecting)")
    script.step()
    await screen.wait("instances serve at")
    assert set(asked) == {"active"}


async def test_afterwards_only_what_is_noteworthy_gets_a_line(nursery: trio.Nursery) -> None:
    script, screen = Script(), Screen(is_terminal=True)
    nursery.start_soon(progress.show, script.control, screen.console)
    await build(script)
    await screen.wait("ready  4 services")
    script.control.tell(ActionDone(action="create", server=ServerId("small-0001"), elapsed_ms=1))
    script.lose()
    script.control.tell(CloudUnreachable(words="timeout"))
    await screen.wait("small-0001 is lost: the cloud says that it is gone", "the cloud does not answer: timeout")
    await build(script)
    await screen.wait("certificates 1.0.0 on small-0001 serves (127.77.0.1)")
    quiet = screen.text[screen.text.index("ready  ") :]
    assert "boots" not in quiet
    assert "is done" not in quiet


async def test_the_end_is_shown_too(nursery: trio.Nursery) -> None:
    script, screen = Script(), Screen(is_terminal=True)
    nursery.start_soon(progress.show, script.control, screen.console)
    await build(script)
    await screen.wait("ready  4 services")
    close(script)
    await screen.wait("Closing  local", "12 servers are left to retire", "generation 2 by you is in force")
    script.control.now = replace(script.control.now, converged=True, servers_total=0)
    await screen.wait("Closed  local", "nothing is left")


async def test_ended_while_it_is_built_it_never_says_ready(nursery: trio.Nursery) -> None:
    script, screen = Script(), Screen(is_terminal=True)
    nursery.start_soon(progress.show, script.control, screen.console)
    await screen.wait("Building  local")
    close(script)
    await screen.wait("Closing  local")
    script.control.now = replace(script.control.now, converged=True, servers_total=0)
    await screen.wait("Closed  local")
    assert "ready" not in screen.text


async def test_cancelling_gives_the_cursor_back() -> None:
    script, screen = Script(), Screen(is_terminal=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(progress.show, script.control, screen.console)
        await screen.wait("Building")
        nursery.cancel_scope.cancel()
    assert screen.file.getvalue().rindex("\x1b[?25h") > screen.file.getvalue().rindex("\x1b[?25l")


async def lines_of(*, is_json: bool, nursery: trio.Nursery, is_enough: Callable[[str], bool]) -> list[str]:
    script, screen = Script(), Screen(is_terminal=False)

    async def show() -> None:
        await progress.show(script.control, screen.console, is_json=is_json)

    nursery.start_soon(show)
    await build(script)
    with trio.fail_after(30):
        while not is_enough(screen.file.getvalue()):
            await trio.testing.wait_all_tasks_blocked(0.01)
    return screen.file.getvalue().splitlines()


async def test_without_a_terminal_each_event_is_a_plain_line(nursery: trio.Nursery) -> None:
    lines = await lines_of(is_json=False, nursery=nursery, is_enough=lambda text: "asked for: after 12s\n" in text)
    assert lines[0] == "2023-11-14T22:13:20.000Z info    hfs 0.1.0 runs the environment local"
    assert "info    dns 1.0.0 on small-0003 serves (127.77.0.3)" in {line[25:] for line in lines}
    assert "\x1b" not in "".join(lines)


async def test_for_machines_each_event_is_a_json_object(nursery: trio.Nursery) -> None:
    lines = await lines_of(
        is_json=True, nursery=nursery, is_enough=lambda text: '"converged"' in text and text.endswith("\n")
    )
    told = [json.loads(line) for line in lines]
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert told[-1]["kind"] == "converged"


class Frozen(io.StringIO):
    """A terminal on which somebody pressed Ctrl-S: nobody gets anything written until it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.goes_on.wait()
        return super().write(text)


async def test_a_terminal_that_stands_still_holds_up_nobody() -> None:
    script, file = Script(), Frozen()
    console = Console(file=file, force_terminal=True, width=100, height=40)
    try:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(progress.show, script.control, console)
                await trio.testing.wait_all_tasks_blocked(0.05)
                await build(script)
                nursery.cancel_scope.cancel()
    finally:
        file.goes_on.set()
