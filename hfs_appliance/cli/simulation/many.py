"""`--swarm N`: scenarios drawn by seed, on all cores; each that breaks a promise comes with its replay."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

import click
from click.exceptions import Exit
from rich.live import Live
from rich.text import Text

from hfs_appliance.cli.failures import FAILED, INTERRUPTED, program
from hfs_appliance.cli.simulation.frame import counted
from hfs_appliance.cli.simulation.output import console_of, for_machines
from hfs_appliance.model.instants import format_duration, seconds
from sim.batch import swarm
from sim.outcome import Outcome

FIRST_SEED: Final = 1


@dataclass(slots=True)
class Tally:
    """What many runs came to so far."""

    wanted: int
    began_s: float = field(default_factory=time.monotonic)
    runs: int = 0
    broken: int = 0
    virtual_s: int = 0
    cpu_s: float = 0.0

    def take(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.broken += bool(outcome.violations)
        self.virtual_s += outcome.virtual_seconds
        self.cpu_s += outcome.cpu_seconds

    def line(self) -> Text:
        """Say it in one line."""
        line = Text.assemble((f"{self.runs:,} of {self.wanted:,} runs", "bold"), "  ")
        if self.broken:
            line.append(f"{self.broken:,} broke a promise", "bold red")
        else:
            line.append("every promise was kept", "green")
        spent = format_duration(seconds(time.monotonic() - self.began_s))
        virtual = format_duration(seconds(self.virtual_s))
        return line.append(f"  {virtual} of virtual time in {spent} ({self.cpu_s:.1f} s of CPU)", "dim")


def simulate_many(
    runs: int, first: int | None, *, is_json: bool, play_all: Callable[[Sequence[int]], Iterable[Outcome]] = swarm
) -> None:
    """Play many. Errors: Exit when a promise was broken."""
    begin = first if first is not None else FIRST_SEED
    seeds = range(begin, begin + runs)
    tally, rows = Tally(runs), []
    console = console_of(is_json=is_json)
    view = Live(tally.line(), console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    try:
        with view or nullcontext():
            for outcome in play_all(seeds):
                tally.take(outcome)
                rows.append(for_machines(outcome))
                if outcome.violations and not is_json:
                    console.print(_broken(outcome), soft_wrap=True)
                if view is not None:
                    view.update(tally.line(), refresh=True)
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted after {tally.line().plain}", err=True)
        raise Exit(INTERRUPTED) from None
    if is_json:
        click.echo(json.dumps({"swarm": runs, "seed": begin, "violations": tally.broken, "rows": rows}))
    else:
        console.print(tally.line())
    if tally.broken:
        raise Exit(FAILED)


def _broken(outcome: Outcome) -> Text:
    first = outcome.violations[0]
    words = f"seed {outcome.seed} at {first.instant}: {first.checker}: {first.words}"
    more = f" (and {counted(outcome.violations_total - 1, 'violation')} more)" if outcome.violations_total > 1 else ""
    return Text.assemble((f"{words}{more}\n", "bold red"), f"  again  {program()} simulate {outcome.scenario}")
