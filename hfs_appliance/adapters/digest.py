"""Copies a stream and tells its sha256, in one pass: for what is kept only if it is the one that was meant."""

from __future__ import annotations

import hashlib
from typing import IO, Final

_PIECE_BYTES: Final = 64 * 1024


class TooLarge(Exception):
    """There is more of it than was allowed."""


def copy_digested(source: IO[bytes], kept: IO[bytes], most_bytes: int | None = None) -> str:
    """Copy to the end of the source; give the sha256 in hexadecimal digits. Errors: TooLarge, OSError."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(_PIECE_BYTES):
        size += len(piece)
        if most_bytes is not None and size > most_bytes:
            raise TooLarge
        digest.update(piece)
        kept.write(piece)
    return digest.hexdigest()
