"""The machine's own clock and randomness behind the Clock and Entropy ports."""

from __future__ import annotations

import random
import secrets
import time
from typing import Final

from hfs_appliance.model.ids import Nonce
from hfs_appliance.model.instants import Instant


class SystemClock:
    """Wall clock anchored once, then advanced by the monotonic clock: a jump of the wall clock changes nothing."""

    def __init__(self) -> None:
        self._offset: Final = time.time_ns() - time.monotonic_ns()

    def now(self) -> Instant:
        """Give the present instant."""
        return Instant(self._offset + time.monotonic_ns())


class SystemEntropy:
    """The kernel's randomness."""

    def __init__(self) -> None:
        self._random: Final = random.SystemRandom()

    def nonce(self) -> Nonce:
        """Give 16 hexadecimal digits that nobody else has."""
        return Nonce(secrets.token_hex(8))

    def uniform(self) -> float:
        """Give a number in [0, 1)."""
        return self._random.random()
