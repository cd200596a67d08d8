"""Shares as integers: parts of a million, no floats. `"10%"` is 100,000."""

from __future__ import annotations

from typing import Final, NewType

Share = NewType("Share", int)
PerMille = NewType("PerMille", int)
Factor = NewType("Factor", int)
"""How many times as much, in thousandths."""

WHOLE: Final = Share(1_000_000)
PER_MILLE: Final = Share(WHOLE // 1000)
PERCENT: Final = Share(WHOLE // 100)


def percent(count: int) -> Share:
    """Turn whole percents into a Share."""
    return Share(count * PERCENT)


def part_of(total: int, share: Share) -> int:
    """Give how many whole things of `total` a share is, rounded down."""
    return total * share // WHOLE


def exceeds(part: int, total: int, share: Share) -> bool:
    """Tell whether `part` is more than a share of `total`."""
    return part * WHOLE > total * share


def format_share(part: int, total: int) -> str:
    """Write a part of a total as whole percents, for the eye."""
    return f"{100 * part // total}%" if total else "0%"
