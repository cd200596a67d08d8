"""What was probably meant by a name that nothing has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the nearest of the known names; `small-1` means `small-0001`."""
    names = list(known)
    wanted = _plain(name)
    if wanted is not None:
        meant = next((each for each in names if _plain(each) == wanted), None)
        if meant is not None:
            return meant
    return next(iter(difflib.get_close_matches(name, names, n=1)), None)


def _plain(server: str) -> tuple[str, int] | None:
    """Give what people remember of a server's name: the pool and the number, without zeros."""
    pool, _, number = server.rpartition("-")
    return (pool, int(number)) if number.isdecimal() and len(number) < 20 else None
