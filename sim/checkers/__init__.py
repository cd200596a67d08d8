"""All checkers, in the order in which they look. Each module below is one family of promises."""

from __future__ import annotations

from typing import Final

from sim.checkers.base import Checker, Docket
from sim.checkers.destruction import HealthyDestroyed

CHECKERS: Final[tuple[type[Checker], ...]] = (HealthyDestroyed,)

__all__ = ["CHECKERS", "Checker", "Docket"]
