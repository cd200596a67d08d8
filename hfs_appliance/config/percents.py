"""Shares and factors as an operator writes them: `"10%"`, `"0.5%"`, `"1.2x"`; `write…` is the inverse of `read…`."""

from __future__ import annotations

import re
from typing import Final

from hfs_appliance.model.shares import PER_MILLE, PERCENT, Factor, PerMille, Share

_DECIMALS: Final = 4
assert 10**_DECIMALS == PERCENT

PATTERN: Final = rf"([0-9]{{1,3}})(?:\.([0-9]{{1,{_DECIMALS}}}))?%"
"""Regular expression that every percentage matches as a whole."""

_PERCENTAGE: Final = re.compile(PATTERN)


def read(text: str) -> Share:
    """Read a percentage. Errors: ValueError."""
    match = _PERCENTAGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a percentage")
    whole, decimals = match.groups("")
    return Share(int(whole) * PERCENT + int(decimals.ljust(_DECIMALS, "0")))


def write(share: Share) -> str:
    """Write a share exactly, without zeros that say nothing."""
    whole, rest = divmod(share, PERCENT)
    decimals = f".{rest:0{_DECIMALS}}".rstrip("0") if rest else ""
    return f"{whole}{decimals}%"


def write_tenths(share: PerMille) -> str:
    """Write thousandths as a percentage."""
    return write(Share(share * PER_MILLE))


FACTOR: Final = r"([0-9]{1,3})(?:\.([0-9]{1,3}))?x"
"""Regular expression that every factor matches as a whole."""

_FACTOR: Final = re.compile(FACTOR)


def read_factor(text: str) -> Factor:
    """Read a factor. Errors: ValueError."""
    match = _FACTOR.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a factor")
    whole, decimals = match.groups("")
    return Factor(int(whole) * 1000 + int(decimals.ljust(3, "0")))


def write_factor(factor: Factor) -> str:
    """Write a factor exactly, without zeros that say nothing."""
    whole, rest = divmod(factor, 1000)
    decimals = f".{rest:03}".rstrip("0") if rest else ""
    return f"{whole}{decimals}x"
