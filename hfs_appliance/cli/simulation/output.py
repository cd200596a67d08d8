"""Where `hfs simulate` prints to, and what of an outcome a machine reads."""

from __future__ import annotations

import sys
from typing import Any, Final

from hfs_appliance.cli.output import Output
from sim.outcome import Outcome, as_json

_UNFOLDED: Final = 10_000


def console_of(*, is_json: bool) -> Output:
    """Give the console for people; JSON is alone on stdout. A pipe has no width: nothing is folded or cut there."""
    stream = sys.stderr if is_json else sys.stdout
    return Output(highlight=False, stderr=is_json, width=None if stream.isatty() else _UNFOLDED)


def for_machines(outcome: Outcome) -> dict[str, Any]:
    """Give everything but the curves, which only the report is drawn from."""
    found = as_json(outcome)
    del found["timeline"]
    return found
