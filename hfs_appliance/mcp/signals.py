"""Signals: how many instances each target of a service asks for by what was measured; nothing of time and pace.

A signal that nobody has measured is not one of nothing: others may make the service grow, and nothing lets it shrink.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from hfs_appliance.model.autoscale import Autoscale
from hfs_appliance.model.instants import Duration, format_duration
from hfs_appliance.model.load import MICROSECOND, MILLI, Rates
from hfs_appliance.model.shares import WHOLE, Share, format_share


class Need(NamedTuple):
    """What one target asks for."""

    milli: int
    """Instances, in thousandths: what is asked over what one may have."""
    words: str = "nothing is asked of it"

    @property
    def instances(self) -> int:
        """Give how many whole instances that are."""
        return -(-self.milli // MILLI)


NOTHING: Final = Need(milli=0)


@dataclass(frozen=True, slots=True)
class Needs:
    """What all targets of a service ask for at one time."""

    known: tuple[Need, ...]
    unknown: tuple[str, ...]
    """Names of the targets of which nothing is known."""

    @property
    def most(self) -> Need:
        """Give what the scarcest resource asks for."""
        return max((NOTHING, *self.known), key=lambda need: need.milli)

    @property
    def words(self) -> tuple[str, ...]:
        """Tell of each target."""
        return (
            *(need.words for need in self.known if need.milli),
            *(f"nothing is known of its {name}" for name in self.unknown),
        )


def needs(scale: Autoscale, rates: Rates) -> Needs:
    """Give what each target of a service asks for under these rates."""
    known: list[Need] = []
    unknown: list[str] = []
    if scale.rps_per_instance is not None:
        known.append(_asked(rates.requests, scale.rps_per_instance, "requests/s"))
    if scale.in_flight_per_instance is not None:
        known.append(_asked(rates.under_way, scale.in_flight_per_instance, "requests under way"))
    for name, target, used in (("cpu", scale.cpu, rates.cpu), ("load", scale.load, rates.load)):
        if target is None:
            continue
        if used is None:
            unknown.append(name)
        else:
            known.append(_used(name, used, target, rates.instances))
    if scale.latency_p95 is not None:
        known.append(_late(scale, scale.latency_p95, rates))
    return Needs(tuple(known), tuple(unknown))


def _asked(asked: int, each: int, unit: str) -> Need:
    milli = -(-asked // each)
    whole, rest = divmod(asked, MILLI)
    told = f"{whole:,}" if whole >= 10 else f"{whole}.{rest // 100}"
    return _told(milli, f"{told} {unit} at {each} each need")


def _used(name: str, used: int, target: Share, instances: int) -> Need:
    """Count what agents say of their servers: the mean of them over what it is to be."""
    milli = -(-used * instances * WHOLE // target)
    percents = f"{format_share(used, MILLI)} {name}"
    return _told(milli, f"{percents} of {instances} at {format_share(target, WHOLE)} each need")


def _late(scale: Autoscale, target: Duration, rates: Rates) -> Need:
    """Count the time of answers once it comes near its target; below, it says nothing of how many would do.

    Time does not fall as instances are added like load does: this makes a service grow, and never lets it shrink.
    """
    took = rates.p95_us * MICROSECOND
    if took * WHOLE < target * (WHOLE - scale.tolerance):
        return NOTHING
    milli = -(-took * rates.instances * MILLI // target)
    words = f"a p95 of {format_duration(_rounded(took))} of {rates.instances} at {format_duration(target)} needs"
    return _told(milli, words)


def _rounded(took: int) -> Duration:
    """Leave out what nobody reads."""
    step = 1_000_000
    return Duration(max(step, took // step * step))


def _told(milli: int, words: str) -> Need:
    need = Need(milli=milli)
    return need._replace(words=f"{words} {need.instances}") if milli else NOTHING


def failing(scale: Autoscale, rates: Rates) -> str | None:
    """Tell in words that too many requests fail for a service to be made smaller; None: they do not."""
    if rates.failed < scale.errors:
        return None
    return f"{format_share(rates.failed, WHOLE)} of its requests fail"
