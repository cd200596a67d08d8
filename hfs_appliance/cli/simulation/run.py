"""`hfs simulate` itself: play what was asked for, show it while it is played, say at the end what came of it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

import click
from click.exceptions import Exit

from hfs_appliance.cli.failures import FAILED, INTERRUPTED, Failure, program
from hfs_appliance.cli.simulation.frame import Sight, counted
from hfs_appliance.cli.simulation.live import Lines, LiveView, Watcher
from hfs_appliance.cli.simulation.output import console_of, for_machines
from hfs_appliance.cli.simulation.summary import Summary
from hfs_appliance.ports.errors import UnknownName
from sim import scenarios, shelf, swarm
from sim.batch import reduce
from sim.outcome import Outcome
from sim.play import Playing, play
from sim.scenario import Scenario
from sim.scenario_text import write as in_toml
from sim.story import since_beginning, stopwatch

_DRAWN: Final = re.compile(r"swarm-([0-9]+)")
"""What the swarm calls what it draws from a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asks for."""

    scenario: str
    seed: int | None
    servers: int | None
    hours: float | None
    is_json: bool
    is_verbose: bool
    journal: Path | None
    report: Path | None
    shrunk: Path | None

    def command(self, seed: int) -> str:
        """Give the command line that plays the same again."""
        words = ["simulate", self.scenario, "--seed", str(seed)]
        words += ["--servers", str(self.servers)] if self.servers is not None else []
        words += ["--hours", f"{self.hours:g}"] if self.hours is not None else []
        return f"{program()} {shlex.join(words)}"


def simulate(wish: Wish) -> None:
    """Play one scenario. Errors: UsageError, ConfigError, Failure; Exit when a promise was broken."""
    scenario, seed = _chosen(wish)
    watcher = _watcher(wish, seed)
    taps = _Taps()
    with ExitStack() as files:
        if wish.journal is not None:
            taps.add(files.enter_context(_opened(wish.journal, "w")).write)
        if wish.report is not None:
            _opened(wish.report, "a").close()  # whether it can be written is better known now than after an hour
        if wish.shrunk is not None:
            _opened(wish.shrunk, "a").close()
        if wish.is_verbose:
            taps.add(partial(click.echo, nl=False, err=wish.is_json))

        def watch(playing: Playing) -> None:
            watcher.watch(playing)
            taps.watch(playing)

        try:
            outcome = play(scenario, seed, watch=watch, instruments=watcher.instruments)
        except KeyboardInterrupt:
            watcher.close()
            click.echo(f"\n{_how_far(watcher.sight())}\nagain  {wish.command(seed)}", err=True)
            raise Exit(INTERRUPTED) from None
        finally:
            watcher.close()
    if wish.report is not None:
        _write_report(wish.report, outcome, watcher.sight(), wish.command(seed))
    if wish.is_json:
        click.echo(json.dumps(for_machines(outcome)))
    else:
        console_of(is_json=False).print(Summary(outcome, watcher.sight(), replay=wish.command(seed), page=wish.report))
    if outcome.violations:
        if wish.is_json:
            click.echo(f"{counted(outcome.violations_total, 'violation')}; again: {wish.command(seed)}", err=True)
        if wish.shrunk is not None:
            _shrink(wish.shrunk, scenario, outcome, wish.command(seed))
        raise Exit(FAILED)


def show_names(*, is_json: bool) -> None:
    """Name the scenarios that come with hfs."""
    words = {name: scenarios.load(name).words for name in shelf.names()}
    if is_json:
        click.echo(json.dumps([{"name": name, "words": told} for name, told in words.items()]))
    else:
        width = max(map(len, words))
        for name, told in words.items():
            click.echo(f"{name:<{width}}  {told}")


def _chosen(wish: Wish) -> tuple[Scenario, int]:
    """Give the scenario and the seed; what the swarm drew is played with the seed that it was drawn from."""
    if drawn := _DRAWN.fullmatch(wish.scenario):
        seed = int(drawn[1])
        scenario = swarm.draw(seed)
    else:
        seed = 1
        try:
            scenario = scenarios.load(wish.scenario)
        except UnknownName as error:
            raise click.UsageError(f"{error}\n`{program()} simulate --list` names them") from None
    scenario = scenarios.scaled(scenario, servers=wish.servers, hours=wish.hours)
    return scenario, wish.seed if wish.seed is not None else seed


def _watcher(wish: Wish, seed: int) -> Watcher:
    console = console_of(is_json=wish.is_json)
    if wish.is_verbose:
        return Watcher(seed)
    if console.is_terminal:
        return LiveView(seed, console)
    return Watcher(seed) if wish.is_json else Lines(seed, click.echo)


def _write_report(path: Path, outcome: Outcome, sight: Sight, replay: str) -> None:
    from sim.report.page import Run, render  # only when asked for: templates take their time

    page = render(Run(outcome=outcome, scenario=sight.board.scenario, story=sight.board.story, replay=replay))
    with _opened(path, "w") as file:
        file.write(page)


def _shrink(path: Path, scenario: Scenario, outcome: Outcome, command: str) -> None:
    """Write the least that breaks the same promise; it takes as long as a few hundred runs of what is left."""
    first = outcome.violations[0]
    click.echo(f"looks for the least that breaks the promise of {first.checker}", err=True)
    small = reduce(scenario, outcome.seed)
    with _opened(path, "w") as file:
        file.write(in_toml(small, comment=f"{command}\n{first.checker}: {first.words}"))
    again = f"{program()} {shlex.join(['simulate', str(path), '--seed', str(outcome.seed)])}"
    click.echo(
        f"{counted(len(small.faults), 'fault')} and {counted(small.layout.servers, 'server')} are enough: {again}",
        err=True,
    )


def _opened(path: Path, mode: str) -> IO[str]:
    try:
        return path.open(mode, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error


def _how_far(sight: Sight) -> str:
    so_far = counted(sight.violations_total, "violation") if sight.violations_total else "no violation"
    spent, expected = since_beginning(sight.now), stopwatch(sight.board.expected(sight.now))
    return f"interrupted at {spent} of {expected} of virtual time; {so_far} until then"


class _Taps:
    """Whoever gets the lines of the journal. One that fails ends the run: nobody would see what it does."""

    def __init__(self) -> None:
        self._writers: list[Callable[[str], object]] = []
        self._is_broken = False

    def add(self, write: Callable[[str], object]) -> None:
        """Hand each line to `write`, too."""
        self._writers.append(write)

    def watch(self, playing: Playing) -> None:
        """Begin to listen."""
        for write in self._writers:
            playing.sim.journal.follow(partial(self._hand_over, playing, write))

    def _hand_over(self, playing: Playing, write: Callable[[str], object], line: str) -> None:
        if self._is_broken:
            return
        try:
            write(f"{line}\n")
        except OSError as error:
            self._is_broken = True
            playing.sim.clock.after(0, partial(_fail, error))  # the bus would only tell of it


def _fail(error: OSError) -> None:
    raise error
