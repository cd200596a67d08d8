"""Key paths: where something stands in a configuration, as a tuple, and how an operator would write it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys from the root of the file; an integer is an index into an array."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def write_path(path: KeyPath) -> str:
    """Write a key path as TOML: `service.dns.version."1.4.2".instances`, `service.dns.run.command[0]`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        else:
            key = part if _BARE.fullmatch(part) else quote(part)
            written += f".{key}" if written else key
    return written


def quote(text: str) -> str:
    """Write a string as TOML, on one line."""
    return json.dumps(text, ensure_ascii=False)


def suggest(name: str, known: Iterable[str]) -> str:
    """Name the nearest of the known names, if any is near."""
    nearest = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {quote(nearest[0])}?" if nearest else ""
