"""Mistakes in a configuration, each with its place, and the one error that carries all of them.

Cheap to import: the command line knows ConfigError without loading a schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from hfs_appliance.config.keys import KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong."""

    file: str
    """As the operator named it; empty when the mistake stands in no file."""
    line: int
    """From 1; 0 when the mistake has no place in a text."""
    column: int
    """From 1, in characters; 0 when the mistake has no place in a text."""
    key: str
    """Key path as it would be written (`service.dns.version."1.4.2".instances`); empty for a syntax error."""
    words: str
    hint: str = ""

    def __str__(self) -> str:
        """Write one line: `file:line:column: key: words; hint`, without the parts that are not known."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        said = f"{self.words}; {self.hint}" if self.hint else self.words
        return ": ".join(part for part in (place, self.key, said) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A mistake that knows its key path and not yet its place in a text."""

    path: KeyPath
    words: str
    hint: str = ""
    others: tuple[KeyPath, ...] = ()
    """Further keys that are part of it: when one of them is wrong by itself, this finding proves nothing."""

    @property
    def keys(self) -> tuple[KeyPath, ...]:
        """Every key that it is about."""
        return (self.path, *self.others)


class ConfigError(Exception):
    """A configuration that must not be used; `mistakes` are all of them, sorted by place."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda m: (m.file, m.line, m.column, m.key, m.words)))
        assert self.mistakes
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))

    def as_json(self) -> list[dict[str, str | int]]:
        """Give the mistakes as a machine reads them."""
        return [asdict(mistake) for mistake in self.mistakes]
