"""What all events have in common: how they are named, and how much an operator should care."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Severity(StrEnum):
    """How much an operator should care."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBase:
    """Base of all events."""

    kind: ClassVar[str]
    severity: ClassVar[Severity] = Severity.INFO
