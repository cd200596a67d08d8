"""How fast the control plane answers a change: along the chains of causes on its own event stream."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

from hfs_appliance.model.events import ActionDone, ActionStarted, ConvergedChanged, PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import MILLISECOND, Instant
from sim.folds import Fold
from sim.metrics.histogram import histogram
from sim.outcome import Histogram, Spread
from sim.truth import ConditionChanged, Fact

V = TypeVar("V")

KEPT: Final = 20_000
"""Events that others may still name as their cause."""


class Latency(Fold):
    """Change → told → action begun → action done, and how long the environment was not as desired."""

    hears = (PhaseChanged, ActionStarted, ActionDone, ConvergedChanged)
    sees = (ConditionChanged,)

    def __init__(self) -> None:
        self._happened: dict[ServerId, Instant] = {}
        self._told: OrderedDict[int, Instant] = OrderedDict()
        """Instants of changes, by sequence number."""
        self._begun: OrderedDict[int, tuple[Instant, Instant | None]] = OrderedDict()
        """Instants at which actions began, and of the changes that led to them."""
        self._left_at: Instant | None = None
        self._whole: list[int] = []
        self._parts: dict[str, list[int]] = {"seen": [], "planned": [], "done": [], "converged": []}

    def see(self, now: Instant, fact: Fact) -> None:
        """Note when a server changed in truth."""
        assert isinstance(fact, ConditionChanged)
        self._happened[fact.server] = now

    def hear(self, recorded: Recorded) -> None:
        """Follow the chain."""
        event, at, cause = recorded.event, recorded.at, recorded.cause
        match event:
            case PhaseChanged():
                _keep(self._told, recorded.seq, at)
                happened = self._happened.pop(event.server, None)
                if happened is not None:
                    self._parts["seen"].append(at - happened)
            case ActionStarted():
                told = self._told.get(cause) if cause is not None else None
                _keep(self._begun, recorded.seq, (at, told))
                if told is not None:
                    self._parts["planned"].append(at - told)
            case ActionDone():
                begun, told = self._begun.pop(cause, (None, None)) if cause is not None else (None, None)
                if begun is not None:
                    self._parts["done"].append(at - begun)
                if told is not None:
                    self._whole.append(at - told)
            case ConvergedChanged():
                if event.is_converged and self._left_at is not None:
                    self._parts["converged"].append(at - self._left_at)
                self._left_at = None if event.is_converged else self._left_at or at
            case _:
                pass

    def spread(self) -> Spread:
        """Give the distribution from the change that was told to the end of the action that answered it, in ms."""
        return Spread.of(self._whole, unit=MILLISECOND)

    def parts(self) -> dict[str, Spread]:
        """Give the distributions of the parts, in ms."""
        return {part: Spread.of(values, unit=MILLISECOND) for part, values in self._parts.items()}

    def histogram(self) -> Histogram:
        """Give the same as `spread` in buckets."""
        return histogram(self._whole, MILLISECOND)


def _keep(kept: OrderedDict[int, V], seq: int, value: V) -> None:
    kept[seq] = value
    if len(kept) > KEPT:
        kept.popitem(last=False)
