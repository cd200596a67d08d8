"""Watching a run while it is played: a live view on a terminal, a line for each fault and violation elsewhere.

Neither can change the run: they listen, and the view redraws from an instrument of trio, which sees each step of the
scheduler and has no place on the heap of virtual time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio
from rich.live import Live

from hfs_appliance.cli.simulation.board import Board
from hfs_appliance.cli.simulation.frame import Frame, Sight, told
from hfs_appliance.model.instants import Instant
from sim.outcome import Spread
from sim.play import Playing
from sim.story import Line
from sim.truth import Fact, FaultBegun, FaultEnded

if TYPE_CHECKING:
    from rich.console import Console

FRAMES_PER_S: Final = 8
_MEASURED_EVERY_S: Final = 1.0
"""Percentiles cost more than a frame."""


class Watcher:
    """Keeps what the summary and the report tell of a run, and shows nothing meanwhile."""

    def __init__(self, seed: int) -> None:
        self._seed: Final = seed
        self._desired = 0
        self._began_s = 0.0
        self._playing: Playing | None = None
        self._board: Board | None = None

    @property
    def instruments(self) -> tuple[trio.abc.Instrument, ...]:
        """Give what sees each step of the run."""
        return ()

    def watch(self, playing: Playing) -> None:
        """Begin to listen."""
        self._playing = playing
        self._board = board = Board(playing.scenario)
        self._desired = playing.scenario.layout.servers
        self._began_s = time.process_time()
        playing.sim.bus.subscribe("view", board.hear)
        playing.sim.truth.listen(board.see, Board.FACTS)

    def sight(self) -> Sight:
        """Say how things are now."""
        assert self._playing is not None
        assert self._board is not None
        return Sight(
            board=self._board,
            seed=self._seed,
            now=self._playing.sim.clock.now(),
            cpu_s=time.process_time() - self._began_s,
            desired=self._instances_wanted(self._playing),
            violations=self._playing.docket.violations,
            violations_total=self._playing.docket.total,
            reconcile_ms=self._reconcile(self._playing),
        )

    def close(self) -> None:
        """Stop showing anything."""

    def _reconcile(self, playing: Playing) -> Spread:
        return playing.metrics.reconcile_ms()

    def _instances_wanted(self, playing: Playing) -> int:
        """Count what is desired now; what a dead control plane wanted is still wanted."""
        now = playing.sim.now
        desired = now.plane.desired.current if now is not None else None
        if desired is not None:
            self._desired = sum(sum(service.versions.values()) for service in desired.services.values())
        return self._desired


class Lines(Watcher):
    """Writes a line for each fault, its end, and each violation."""

    def __init__(self, seed: int, write: Callable[[str], None]) -> None:
        super().__init__(seed)
        self._write = write
        self._written: Line | None = None
        self._accused = 0

    def watch(self, playing: Playing) -> None:
        """Begin to listen."""
        super().watch(playing)
        playing.sim.truth.listen(self._see, (FaultBegun, FaultEnded))

    def close(self) -> None:
        """Tell of the violations that came since."""
        self._accuse()

    def _see(self, now: Instant, fact: Fact) -> None:
        del now, fact
        self._accuse()
        assert self._board is not None
        if (line := self._board.story.newest[-1]) is not self._written:
            self._written = line
            self._write(told(line).plain)

    def _accuse(self) -> None:
        violations = self._playing.docket.violations if self._playing is not None else []
        while self._accused < len(violations):
            violation = violations[self._accused]
            self._accused += 1
            self._write(f"{violation.instant:>9}  violation of {violation.checker}: {violation.words}")


class LiveView(Watcher, trio.abc.Instrument):
    """Redraws a frame in place, a few times a second of real time."""

    def __init__(self, seed: int, console: Console) -> None:
        super().__init__(seed)
        self._view: Final = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._due_s = self._measure_due_s = 0.0
        self._measured = Spread()

    @property
    def instruments(self) -> tuple[trio.abc.Instrument, ...]:
        """Look at the real clock between two steps."""
        return (self,)

    def watch(self, playing: Playing) -> None:
        """Begin to show."""
        super().watch(playing)
        self._view.start()

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002  # trio's signature
        """Redraw when it is time."""
        if time.monotonic() >= self._due_s:
            self._view.update(Frame(self.sight()), refresh=True)
            self._due_s = time.monotonic() + 1 / FRAMES_PER_S

    def close(self) -> None:
        """Take the view off the screen: the summary comes in its place."""
        self._view.stop()

    def _reconcile(self, playing: Playing) -> Spread:
        if time.monotonic() >= self._measure_due_s:
            self._measure_due_s = time.monotonic() + _MEASURED_EVERY_S
            self._measured = super()._reconcile(playing)
        return self._measured
