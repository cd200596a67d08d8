"""Mutants of what is wanted: bad input that is obeyed, old input that comes back, sizes made up from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hfs_appliance.config import ConfigError
from hfs_appliance.mcp import demand
from hfs_appliance.model.autoscale import Autoscale
from hfs_appliance.model.events import DesiredRefused
from hfs_appliance.model.instants import HOUR, MINUTE, Duration
from hfs_appliance.registry.formats import FormatError, read_desired
from hfs_appliance.runtime import desired as desired_store
from hfs_appliance.runtime.desired import DesiredStore
from sim.mutants.base import Patch, among, mutant
from sim.scenario import Beginning, Bounds, Fault, Layout, Scenario, Shape, Traffic


@mutant(
    "bad-input-obeyed",
    breaks="what cannot be read of the desired state is taken for an empty one",
    because="H3, X7: a half-written file is parsed as far as it goes, and every service not in it is ended",
    caught_by="bad-input",
    world=among("config-broken", "entry-corrupt"),
)
def bad_input_obeyed(patch: Patch) -> None:
    """Read nonsense as nothing."""

    def make(inner: Callable[..., None]) -> Callable[..., None]:
        def hear(self: DesiredStore, znode: Any) -> None:
            before = self._mzxid
            inner(self, znode)
            is_bad = znode is not None and self._mzxid == znode.mzxid != before and _is_nonsense(znode.value)
            if is_bad and self.current is not None:
                self.current = replace(self.current, services={})
                for dirty in self._dirty:
                    dirty.mark()

        return hear

    patch.around(DesiredStore, "hear", make)


def _is_nonsense(value: bytes) -> bool:
    try:
        desired_store.effective(read_desired(value))
    except (FormatError, ConfigError):
        return True
    return False


@mutant(
    "bad-input-hushed-up",
    breaks="a desired state that cannot be read is passed over without a word",
    because="H6: the operator believes that what was applied is in force",
    caught_by="bad-input",
    world=among("config-broken", "entry-corrupt"),
)
def bad_input_hushed_up(patch: Patch) -> None:
    """Refuse in silence."""

    def make(inner: Callable[..., None]) -> Callable[..., None]:
        def hear(self: DesiredStore, znode: Any) -> None:
            sink = self._sink
            self._sink = _Hushed(sink)
            inner(self, znode)
            self._sink = sink

        return hear

    patch.around(DesiredStore, "hear", make)


class _Hushed:
    """A stream that is told no refusals."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def emit(self, actor: str, event: Any, *, cause: int | None = None) -> int:
        """Tell everything else."""
        return 0 if isinstance(event, DesiredRefused) else int(self._sink.emit(actor, event, cause=cause))


@mutant(
    "count-without-generation",
    breaks="a changed count is stored under the generation that was in force before",
    because="S7: two states of one number: nobody can tell which is newer, and a plan is applied to the wrong one",
    caught_by="generations",
    world=among("scale-out", "scale-in"),
)
def count_without_generation(patch: Patch) -> None:
    """Leave the number as it is."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        def counted(self: DesiredStore, stored: Any, *change: Any) -> Any:
            return replace(inner(self, stored, *change), generation=stored.generation)

        return counted

    patch.around(DesiredStore, "_counted", make)


def _busy(seed: int) -> Scenario:
    """A small fleet that scales itself, and figures that go wrong."""
    kinds = ("load-unknown", "load-frozen", "flash-crowd", "drop-to-zero")
    at = Duration(10 * MINUTE)
    return Scenario(
        name="busy",
        words="services follow their traffic while nothing can be read of it",
        lasts=HOUR,
        begins=Beginning.STANDING,
        layout=Layout(servers=12, per_service=4, grows_to=8),
        traffic=Traffic(shape=Shape.STEADY, base=200 + 20 * (seed % 5), peak=200, capacity=100),
        bounds=Bounds(settle=Duration(4 * HOUR)),
        faults=(
            Fault(kind=kinds[seed % 2], at=at, lasts=Duration(15 * MINUTE), target=seed, amount=1),
            Fault(
                kind=kinds[2 + seed % 2], at=Duration(30 * MINUTE), lasts=Duration(10 * MINUTE), target=seed, amount=4
            ),
        ),
    )


@mutant(
    "blind-scale-in",
    breaks="a service whose load nobody knows is made as small as it may be",
    because="L-8: Slack, 2021: idle-looking servers were scaled in while the network kept requests from them",
    world=_busy,
    caught_by="sizes",
)
def blind_scale_in(patch: Patch) -> None:
    """Take no figures for no load."""

    def blind(scale: Autoscale, _usual: int, _total: int) -> Any:
        return demand._Wish(scale.min, None, "nothing is asked of it")

    patch.set(demand, "_blind", blind)
