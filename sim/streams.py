"""Randomness by seed: named streams of integers, the same on every machine and every Python.

One root seed; each concern draws from a stream of its own name, so that a new draw in one does not shift the others.
No floats: distributions are tables of integers.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, TypeVar

from hfs_appliance.model.ids import Nonce
from hfs_appliance.model.instants import MILLISECOND

T = TypeVar("T")

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Table:
    """A distribution, by its quantiles: (per mille, value) pairs from 0 to 1000, straight lines between them."""

    points: tuple[tuple[int, int], ...]
    steps: tuple[tuple[int, int, int, int, int], ...] = field(init=False, compare=False, repr=False)
    """For each line but the last point: where it ends and begins, its first value, its rise and its width."""

    def __post_init__(self) -> None:
        lines = zip(self.points, self.points[1:], strict=False)
        steps = ((share * 1000, at * 1000, low, high - low, (share - at) * 1000) for (at, low), (share, high) in lines)
        object.__setattr__(self, "steps", tuple(steps))

    @classmethod
    def of_ms(cls, *points: tuple[int, int]) -> Table:
        """Make a distribution of durations from milliseconds."""
        return cls(tuple((share, value * MILLISECOND) for share, value in points))


class Stream:
    """SplitMix64 (Steele, Lea, Flood 2014; public domain reference by Vigna): small, fast in Python, well mixed."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits64(self) -> int:
        """Draw 64 bits."""
        self._state = z = (self._state + _GOLDEN) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, bound: int) -> int:
        """Draw from 0 to bound - 1; the bias of the multiplication is below 2^-32 for bounds up to 2^32."""
        return (self.bits64() * bound) >> 64

    def between(self, low: int, high: int) -> int:
        """Draw from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        """Draw yes with this probability; draws nothing when there is no choice."""
        return per_mille > 0 and (per_mille >= 1000 or self.below(1000) < per_mille)

    def choice(self, options: Sequence[T]) -> T:
        """Draw one of several."""
        return options[self.below(len(options))]

    def draw(self, table: Table) -> int:
        """Draw from a distribution."""
        at = (self.bits64() * 1_000_000) >> 64
        for end, begin, low, rise, width in table.steps:
            if at < end:
                return low + rise * (at - begin) // width
        return table.points[-1][1]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Shuffle in place (Fisher and Yates); also what trio calls."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]

    def random(self) -> float:
        """Draw from [0, 1): exact, 53 bits."""
        return (self.bits64() >> 11) / (1 << 53)


class Streams:
    """All streams of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def named(self, name: str) -> Stream:
        """Give a stream of its own, at its beginning."""
        digest = blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()
        return Stream(int.from_bytes(digest))


class SimEntropy:
    """Implements the Entropy port over a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream: Final = stream

    def nonce(self) -> Nonce:
        """Give 16 hexadecimal digits that nobody else has."""
        return Nonce(f"{self._stream.bits64():016x}")

    def uniform(self) -> float:
        """Give a number in [0, 1)."""
        return self._stream.random()
