"""Jute, ZooKeeper's serialisation.

Numbers are big-endian; strings and buffers are led by their length (-1 for none), vectors by their count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct, error
from typing import Final, TypeVar

T = TypeVar("T")

INT: Final = Struct("!i")
LONG: Final = Struct("!q")
BOOL: Final = Struct("!?")
_NONE: Final = INT.pack(-1)


class Malformed(ValueError):
    """Bytes that are not what the protocol says."""


class Reader:
    """Reads one message from its start to its end. Errors of all its methods: Malformed."""

    __slots__ = ("_content", "_offset")

    def __init__(self, content: bytes, offset: int = 0) -> None:
        self._content = content
        self._offset = offset

    def is_at_end(self) -> bool:
        """Tell whether everything has been read."""
        return self._offset >= len(self._content)

    def i32(self) -> int:
        """Read 32 bits."""
        return self._unpack(INT)

    def i64(self) -> int:
        """Read 64 bits."""
        return self._unpack(LONG)

    def flag(self) -> bool:
        """Read one byte."""
        return bool(self._unpack(BOOL))

    def buffer(self) -> bytes | None:
        """Read bytes; None was written as length -1."""
        length = self._unpack(INT)
        if length < 0:
            return None
        start, self._offset = self._offset, self._offset + length
        if self._offset > len(self._content):
            raise Malformed("ends within a buffer")
        return self._content[start : self._offset]

    def string(self) -> str:
        """Read text; none reads as empty, for clients write both alike."""
        try:
            return (self.buffer() or b"").decode()
        except UnicodeDecodeError:
            raise Malformed("not UTF-8") from None

    def vector(self, read: Callable[[], T]) -> tuple[T, ...]:
        """Read a list; none reads as empty."""
        return tuple([read() for _ in range(self._unpack(INT))])

    def _unpack(self, struct: Struct) -> int:
        try:
            (value,) = struct.unpack_from(self._content, self._offset)
        except error:
            raise Malformed("ends within a number") from None
        self._offset += struct.size
        return int(value)


def buffer(content: bytes | None) -> bytes:
    """Write bytes or none."""
    return _NONE if content is None else INT.pack(len(content)) + content


def string(text: str) -> bytes:
    """Write text."""
    content = text.encode()
    return INT.pack(len(content)) + content


def vector(items: Iterable[bytes]) -> bytes:
    """Write a list of things already written."""
    written = tuple(items)
    return INT.pack(len(written)) + b"".join(written)
