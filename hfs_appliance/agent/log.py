"""What the agent tells its server's console: one line a fact, between the lines of the service that shares the stream.

Nothing here knows where the stream ends: in agent.log of the local provider, in the journal of a VM.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.model.instants import format_instant
from hfs_appliance.ports.clock import Clock

_LARGEST: Final = 10 * 1024 * 1024
_LOOK_SECONDS: Final = 60


class Log:
    """Writes lines to standard error."""

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock

    def say(self, words: str) -> None:
        """Write one line."""
        sys.stderr.write(f"{format_instant(self._clock.now())} agent: {words}\n")
        sys.stderr.flush()


async def keep_bounded(path: Path) -> None:
    """Move the content of the log file, if there is one, to `<name>.1` whenever it has grown large."""
    while True:
        await trio.to_thread.run_sync(rotate, path)
        await trio.sleep(_LOOK_SECONDS)


def rotate(path: Path) -> None:
    """Move the content of a large log file to `<name>.1`.

    The file itself is emptied, not renamed: everybody who writes to it has it open (for appending).
    """
    if path.exists() and path.stat().st_size > _LARGEST:
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)
