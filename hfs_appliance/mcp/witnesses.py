"""Witnesses: who says what of a server whose registration is gone. Absence is one witness, and never enough.

The second one is the cloud (phases.py: `_is_dead_in_cloud`, `_is_absent`) or, here, the instance itself: asked several
times in a row, and lately, it answered badly or not at all. What nobody can say anything about stays suspect.
"""

from __future__ import annotations

from typing import Final

from hfs_appliance.mcp.facts import Circumstances, Facts
from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.probes import Probe, Pulse

TIMES: Final = 3
"""Bad answers in a row that make a witness: one may be lost on its way."""
RECENT: Final = Duration(seconds(30))
"""How old the last answer may be."""


def _probe(f: Facts, c: Circumstances) -> Probe | None:
    return c.probes.get(f.server)


def answers_badly(f: Facts, _r: ServerRecord, c: Circumstances) -> bool:
    """Tell whether the instance itself is a witness that it does not serve."""
    probe = _probe(f, c)
    return probe is not None and probe.failures >= TIMES and c.now <= after(probe.at, RECENT)


def answers_well(f: Facts, _r: ServerRecord, c: Circumstances) -> bool:
    """Tell whether the instance itself is a witness that it lives."""
    probe = _probe(f, c)
    return probe is not None and probe.answer.is_healthy and c.now <= after(probe.at, RECENT)


def has_ended(f: Facts, r: ServerRecord, c: Circumstances) -> bool:
    """Tell whether, since it was told to leave, nothing accepts connections where the instance was."""
    probe = _probe(f, c)
    return probe is not None and probe.answer.pulse is Pulse.DARK and probe.at >= (r.drain_at or r.created_at)


def word_ends(f: Facts, _r: ServerRecord, c: Circumstances) -> Instant:
    """Give the instant from which on the last answer says nothing any more."""
    probe = _probe(f, c)
    assert probe is not None
    return after(probe.at, Duration(RECENT + 1))
