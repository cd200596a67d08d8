"""Probes: what an instance answers when hfs itself asks for its health path, past its agent and the registry.

The second witness for an instance that lost its registration (`mcp/witnesses.py`); a registered one is never asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hfs_appliance.model.instants import Instant


class Pulse(StrEnum):
    """What there is at an address."""

    ALIVE = "alive"
    """It answers as a healthy instance does."""
    SICK = "sick"
    """Something accepts connections, and gives a bad answer or none: hung, broken, or just overloaded."""
    DARK = "dark"
    """Nothing accepts connections there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one probe found."""

    pulse: Pulse
    words: str

    @property
    def is_healthy(self) -> bool:
        """Whether an instance that answers like this may have traffic."""
        return self.pulse is Pulse.ALIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one instance is asked."""

    address: str
    port: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What the probes of one instance have found."""

    answer: Answer
    """The last one."""
    at: Instant
    """When it was asked for."""
    failures: int
    """In a row, this one included; 0 when it was good."""
    darks: int
    """The same, counting those that found nothing there."""
