"""Strain: how busy an instance keeps its server, as its agent tells whoever asks. The registry never hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AGENT_PORT: Final = 9180
"""Where every agent answers, at its server's address; no service may have it."""
STRAIN_PATH: Final = "/strain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """What an agent says."""

    cpu: int | None
    """Share of its server's processors that the instance's processes used lately, per mille; None: not known yet."""
    load: int
    """How many processes would have run at a time within the last minute, for each processor, per mille."""
