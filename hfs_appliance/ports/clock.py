"""Clock and Entropy: the only ways to the time and to randomness."""

from __future__ import annotations

from typing import Protocol

from hfs_appliance.model.ids import Nonce
from hfs_appliance.model.instants import Instant


class Clock(Protocol):
    """Time of this process. Waiting is trio's business; in the simulator trio itself runs on virtual time."""

    def now(self) -> Instant:
        """Give the present instant; never goes back within a process."""
        ...


class Entropy(Protocol):
    """Randomness of this process."""

    def nonce(self) -> Nonce:
        """Give a token that nobody else has: 16 hexadecimal digits."""
        ...

    def uniform(self) -> float:
        """Give a number in [0, 1), for jitter."""
        ...
