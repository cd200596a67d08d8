"""Tools that the agent runs on its server: pip, tar, git, Puppet. Their own output goes to the agent's log."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

import trio

_NOT_FOR_OTHERS: Final = re.compile(r"PYTHON.*|SHIV_.*|VIRTUAL_ENV.*|__PYVENV.*")
"""Variables that steer our own interpreter and would mislead another one."""


class StepError(Exception):
    """A step of building or installing has failed; the words name it."""

    def __init__(self, words: str, report: Sequence[str] = ()) -> None:
        super().__init__(words)
        self.report = tuple(report)
        """What is known in detail, line by line."""


def outer_environment() -> dict[str, str]:
    """Give our own environment without what steers our own interpreter."""
    return {name: value for name, value in os.environ.items() if not _NOT_FOR_OTHERS.fullmatch(name)}


async def run_tool(argv: Sequence[str]) -> None:
    """Run a tool that has to end well. Errors: StepError."""
    status = await status_of(argv)
    if status != 0:
        raise StepError(f"{' '.join(argv)} ended with status {status}; its own words stand above")


async def status_of(argv: Sequence[str], *, extra: Mapping[str, str] | None = None) -> int:
    """Run a tool, with `extra` in its environment, and give its exit status. Errors: StepError."""
    environment = {**outer_environment(), **(extra or {})}
    try:
        ended = await trio.run_process(argv, stdin=subprocess.DEVNULL, check=False, env=environment)
    except OSError as error:
        raise StepError(f"cannot run {' '.join(argv)}: {error.strerror}") from None
    return ended.returncode
