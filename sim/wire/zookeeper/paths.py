"""Paths of znodes: the grammar (org.apache.zookeeper.common.PathUtils), parents and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from sim.wire.zookeeper.values import Code, Refused

ROOT: Final = "/"

# No control characters, no surrogates or private use, nothing past the basic plane (Java sees surrogates there); no
# segment that is empty, "." or "..".
_PATH: Final = re.compile(r"/|(?:/(?!\.{1,2}(?:/|\Z))[^/\0-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\U0010ffff]+)+")


@lru_cache(maxsize=1 << 16)  # a fleet's paths are looked at again and again
def check_path(path: str) -> None:
    """Refuse what is no path. Errors: Refused(BAD_ARGUMENTS)."""
    if _PATH.fullmatch(path) is None:
        raise Refused(Code.BAD_ARGUMENTS)


def parent_of(path: str) -> str:
    """Give the parent's path; the root's is itself."""
    return path[: path.rindex("/")] or ROOT


def name_of(path: str) -> str:
    """Give the last segment."""
    return path[path.rindex("/") + 1 :]


def ancestry(path: str) -> Iterator[str]:
    """Yield the path, its parent and so on up to the root."""
    while path != ROOT:
        yield path
        path = parent_of(path)
    yield ROOT
