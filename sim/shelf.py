"""The shelf: names and texts of the scenarios that come with hfs. Cheap to import, for a shell completes the names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

SUFFIX: Final = ".toml"
_FOLDER: Final = resources.files("sim") / "scenario_files"
"""A link to configs/scenarios in a checkout, a folder of the package in dist/hfs."""


def names() -> Sequence[str]:
    """Name the scenarios, sorted."""
    found = (entry.name for entry in _FOLDER.iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))


def text(name: str) -> str:
    """Give the file of one of them."""
    return (_FOLDER / f"{name}{SUFFIX}").read_text("utf-8")
