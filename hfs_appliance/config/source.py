"""TOML texts: from a file to a parsed document, and from what is wrong with it to a place in the text.

Shared by everything that people write in TOML: configurations here, scenarios in the simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from hfs_appliance.config.keys import KeyPath, write_path
from hfs_appliance.config.mistakes import ConfigError, Finding, Mistake
from hfs_appliance.config.positions import Position


def read_text(path: Path) -> str:
    """Read a file. Errors: ConfigError."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise no_text(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise no_text(path, f"is not UTF-8 at byte {error.start}") from error


def parse(source: str, file: str) -> Mapping[str, Any]:
    """Parse a text. Errors: ConfigError."""
    try:
        return tomli.loads(source)
    except tomli.TOMLDecodeError as error:
        words = error.msg[:1].lower() + error.msg[1:]
        mistake = Mistake(file=file, line=error.lineno, column=error.colno, key="", words=f"not TOML: {words}")
        raise ConfigError([mistake]) from error
    except ValueError as error:  # a number of thousands of digits: tomli leaves it to Python, which refuses
        raise no_text(file, f"not TOML: {error}") from error


def placed(finding: Finding, file: str, places: Mapping[KeyPath, Position] | None) -> Mistake:
    """Place a finding at its key; a key that is not written stands where its table does, or where the file begins."""
    path = finding.path
    position = None
    if places is not None:
        while path and path not in places:
            path = path[:-1]
        position = places.get(path, Position(line=1, column=1))
    return Mistake(
        file=file,
        line=position.line if position else 0,
        column=position.column if position else 0,
        key=write_path(finding.path),
        words=finding.words,
        hint=finding.hint,
    )


def no_text(file: Path | str, words: str) -> ConfigError:
    """Give the error about a file that cannot be read at all."""
    return ConfigError([Mistake(file=str(file), line=0, column=0, key="", words=words)])
