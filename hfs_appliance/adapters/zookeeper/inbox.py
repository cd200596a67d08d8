"""The one way from kazoo's threads into trio.

Nothing here knows kazoo. Threads post marks and go on at once; the marks run in trio, in the order in which they were
posted. No thread ever waits for trio, and a loop that has ended is no error for them.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import trio

Mark: TypeAlias = Callable[[], object]
"""Something short to do in trio; must not raise."""


class Inbox:
    """Marks on their way to the trio loop that runs now."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._marks: deque[Mark] = deque()

    def post(self, mark: Mark) -> None:
        """Have `mark` run in trio soon. Callable from every thread; costs one wake-up for any number of marks."""
        self._marks.append(mark)
        with contextlib.suppress(trio.RunFinishedError):  # the loop has ended: nobody is left to be told
            self._token.run_sync_soon(self._drain, idempotent=True)

    def _drain(self) -> None:
        for _ in range(len(self._marks)):
            self._marks.popleft()()
