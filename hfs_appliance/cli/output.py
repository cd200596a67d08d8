"""Where the commands print to."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from rich.console import Console


class Output(Console):
    """The console, whose reader may leave: rich would end the whole program then, with an error."""

    def on_broken_pipe(self) -> NoReturn:
        """Send what is still to come to nowhere, and tell it as any other write does."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BrokenPipeError("nobody reads it any more")
