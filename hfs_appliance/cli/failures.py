"""How a command fails: one line what went wrong, one line what to do next, and an exit code that scripts can trust.

Cheap to import: rich is loaded only when there is something to show.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import click

FAILED: Final = 1
INTERRUPTED: Final = 130
"""As shells tell it: 128 + SIGINT."""
UNAVAILABLE: Final = os.EX_UNAVAILABLE
MISTAKEN: Final = os.EX_CONFIG


def program() -> str:
    """Tell how this hfs is called from here, for a shell: `hfs` when that is what the shell finds, else as it was."""
    called = sys.argv[0]
    if Path(called).name == "__main__.py":
        return shlex.join([sys.executable, "-m", "hfs_appliance"])
    found = shutil.which("hfs")
    return "hfs" if found and Path(called).exists() and Path(found).samefile(called) else shlex.quote(called)


class Failure(click.ClickException):
    """The operation failed; `advice` is what to do next."""

    def __init__(self, words: str, advice: str = "", *, code: int = FAILED) -> None:
        super().__init__(words)
        self.advice = advice
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click has it on the class; ours differs by failure
        """Exit code of the command."""
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print to stderr; red only on a terminal."""
        from rich.console import Console
        from rich.text import Text

        console = Console(file=file, stderr=True, soft_wrap=True, highlight=False)
        console.print(Text(self.message, style="bold red"))
        if self.advice:
            console.print(Text(self.advice))


class Unavailable(Failure):
    """No appliance answers."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"no hfs answers at {url} ({why})",
            f"start one with `{program()} run FILE` (`{program()} config init FILE` writes a file), or give --api URL",
            code=UNAVAILABLE,
        )


class Foreign(Failure):
    """Something else answers."""

    def __init__(self, url: str, said: str) -> None:
        super().__init__(
            f"what answers at {url} is not hfs's admin API ({said})",
            "is HFS_API (or --api) what `[admin] listen` of the file says? The endpoint is another address",
            code=UNAVAILABLE,
        )


class Mistaken(Failure):
    """A configuration has mistakes; each is one line that begins with its place."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n".join(mistakes), f"{count}; nothing was changed", code=MISTAKEN)
