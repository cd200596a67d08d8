"""Where each key of a TOML text stands. tomli tells values without places; this tells places without values.

The text has passed tomli before: what is here only has to find its way through valid TOML 1.1, not to judge it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import tomli

from hfs_appliance.config.keys import KeyPath

_BLANK: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
# A multi-line string may end in up to five quotes: two of its own, three that close it.
_STRING: Final = re.compile(
    "|".join((r'"""(?:\\.|[^\\])*?"""(?:"{0,2})', r"'''.*?'''(?:'{0,2})", r'"(?:\\.|[^"\\])*"', r"'[^']*'")), re.DOTALL
)
_PLAIN: Final = re.compile(r"[^,\]}#\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a text; both count from 1, columns in characters."""

    line: int
    column: int


def key_positions(source: str) -> Mapping[KeyPath, Position]:
    """Map every key path of `source`, valid TOML, to the place of its last part; array items to where they begin.

    A table is placed at its own header, else at the first key that implies it. Cost: one pass.
    """
    scanner = _Scanner(source.replace("\r\n", "\n"))
    scanner.read_document()
    starts = [0, *(match.end() for match in re.finditer("\n", scanner.text))]
    found: dict[KeyPath, Position] = {}
    line = 0
    for path, offset in sorted(scanner.offsets.items(), key=lambda item: item[1]):
        while line + 1 < len(starts) and starts[line + 1] <= offset:
            line += 1
        found[path] = Position(line=line + 1, column=offset - starts[line] + 1)
    return found


class _Scanner:
    """One pass over a text, `at` being the offset of what comes next."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.offsets: dict[KeyPath, int] = {}
        self._array_sizes: dict[KeyPath, int] = {}
        """Tables so far in each array of tables."""

    def read_document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self._is_next("["):
                table = self._read_header()
            else:
                self._read_assignment(table)
            self._skip(_BLANK)

    def _read_header(self) -> KeyPath:
        brackets = 2 if self._is_next("[[") else 1
        self.at += brackets
        path = self._read_key(())
        if brackets == 2:
            index = self._array_sizes.get(path, 0)
            self._array_sizes[path] = index + 1
            offset = self.offsets[path]
            path = (*path, index)
            self.offsets[path] = offset
        self._skip(_BLANK)
        self.at += brackets
        return path

    def _read_assignment(self, table: KeyPath) -> None:
        path = self._read_key(table)
        self._skip(_BLANK)
        self.at += 1  # the equals sign
        self._skip(_BLANK)
        self._read_value(path)

    def _read_key(self, table: KeyPath) -> KeyPath:
        """Read a dotted key and note its parts; those before the last only imply tables."""
        path = table
        self._skip(_BLANK)
        while True:
            start = self.at
            part = self._take(_KEY)
            # Quoted keys: tomli knows the escapes.
            path = (*path, part if part[0] not in "\"'" else next(iter(tomli.loads(f"{part} = 0"))))
            dot = _DOT.match(self.text, self.at)
            if dot is None:
                self.offsets[path] = start
                return path
            self.at = dot.end()
            self.offsets.setdefault(path, start)
            if path in self._array_sizes:
                path = (*path, self._array_sizes[path] - 1)

    def _read_value(self, path: KeyPath) -> None:
        if self._is_next("["):
            self._read_items(path, closing="]")
        elif self._is_next("{"):
            self._read_items(path, closing="}")
        elif self._is_next('"') or self._is_next("'"):
            self._skip(_STRING)
        else:
            self._skip(_PLAIN)

    def _read_items(self, path: KeyPath, *, closing: str) -> None:
        """Read an array or an inline table."""
        self.at += 1
        index = 0
        self._skip(_BLANK)
        while not self._is_next(closing):
            if closing == "}":
                self._read_assignment(path)
            else:
                self.offsets[*path, index] = self.at
                self._read_value((*path, index))
                index += 1
            self._skip(_BLANK)
            if self._is_next(","):
                self.at += 1
                self._skip(_BLANK)
        self.at += 1

    def _is_next(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, f"offset {self.at} is not valid TOML"
        self.at = match.end()
        return match.group()

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)
