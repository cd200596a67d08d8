"""Demand: how many instances a service is to have by what is asked of it. Figures and the size before, in; a size, out.

Target tracking: each target says how many instances would bring it about, and the largest number wins, because the
scarcest resource decides. What is needed is computed from what is asked, never from the present number, so that
instances which are still coming are not asked for twice. Growing needs the last ten seconds, or all of `up.window`;
shrinking needs the whole of `down.window` without a gap: what nobody measured may have been the peak.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from hfs_appliance.model.autoscale import Autoscale, Demand, Size, Stride, WhenBlind
from hfs_appliance.model.instants import Duration, Instant, after, format_duration, seconds
from hfs_appliance.model.load import MILLI, Rates, Sample, Series
from hfs_appliance.model.shares import WHOLE, format_share, part_of

STALE: Final = seconds(30)
"""Figures that are older say nothing any more, and a gap of this length is one."""


class _Wish(NamedTuple):
    """What would be right, without regard to bounds and pace."""

    total: int
    needed: int | None
    words: str
    is_waiting: bool = False


class _Need(NamedTuple):
    milli: int
    """Instances, in thousandths: what is asked over what one may have."""
    asked: int
    """In thousandths."""
    each: int
    unit: str

    @property
    def instances(self) -> int:
        return -(-self.milli // MILLI)

    @property
    def words(self) -> str:
        if not self.milli:
            return "nothing is asked of it"
        whole, rest = divmod(self.asked, MILLI)
        asked = f"{whole:,}" if whole >= 10 else f"{whole}.{rest // 100}"
        return f"{asked} {self.unit} at {self.each} each need {self.instances}"


_NONE: Final = _Need(milli=0, asked=0, each=1, unit="")


def demand(scale: Autoscale, usual: int, floor: int, size: Size | None, series: Series, now: Instant) -> Demand:
    """Give the size of a service that has been `size` so far (None: `usual`, what its versions say)."""
    least, most = min(max(scale.min, floor), scale.max), scale.max
    before = size if size is not None else Size(total=usual, base=usual, since=now)
    total = min(max(before.total, least), most)
    if total != before.total:  # bounds are the operator's word, and are not approached in strides
        before = Size(total=total, base=total, since=now)
    is_known = series and now < series[-1].end + STALE
    wish = _seeing(scale, total, series) if is_known else _blind(scale, usual, total)
    wanted, words = min(max(wish.total, least), most), wish.words
    if wanted != wish.total:
        words += f"; {'max' if wanted == most else 'min'} = {wanted}"
    if wanted == total:
        is_waiting = wish.is_waiting and wish.needed is not None and min(max(wish.needed, least), most) != total
        return Demand(size=before, needed=wish.needed, words=words, is_waiting=is_waiting)
    stride = scale.up if wanted > total else scale.down
    base, since = _begun(before, stride, now, is_growing=wanted > total)
    length = max(1, part_of(base, stride.max))
    reached = min(wanted, base + length) if wanted > total else max(wanted, base - length)
    size = Size(total=reached, base=base, since=since)
    if reached == wanted:
        return Demand(size=size, needed=wish.needed, words=words)
    words += f"; {_pace(stride)} is the pace"
    return Demand(size=size, needed=wish.needed, words=words, is_waiting=True, until=after(since, stride.per))


def _begun(before: Size, stride: Stride, now: Instant, *, is_growing: bool) -> tuple[int, Instant]:
    """Give from where, and since when, the present stride is counted: a new one when it is over, or turns round."""
    is_same_way = before.total > before.base if is_growing else before.total < before.base
    if is_same_way and now < before.since + stride.per:
        return before.base, before.since
    return before.total, now


def _blind(scale: Autoscale, usual: int, total: int) -> _Wish:
    when = scale.no_data.up if usual > total else scale.no_data.down
    if usual != total and when is WhenBlind.USUAL:
        return _Wish(usual, None, f"nothing is known of its load: back to {usual}")
    return _Wish(total, None, "nothing is known of its load")


def _seeing(scale: Autoscale, total: int, series: Series) -> _Wish:
    latest = _need(scale, series[-1].most)
    words, needed = latest.words, latest.instances
    if _is_above(latest, total, scale):
        lowest = min(_need(scale, sample.least) for sample in _within(series, scale.up.window))
        if _is_above(lowest, total, scale) and _is_known(series, scale.up.window):
            return _Wish(lowest.instances, needed, words)
        span = format_duration(scale.up.window)
        return _Wish(total, needed, f"{words}, which must hold for {span}", is_waiting=True)
    if _is_below(latest, total, scale):
        span = format_duration(scale.down.window)
        if not _is_known(series, scale.down.window):
            return _Wish(total, needed, f"{words}, which must hold for {span}", is_waiting=True)
        highest = max(_need(scale, sample.most) for sample in _within(series, scale.down.window))
        if _is_below(highest, total, scale):
            return _Wish(highest.instances, needed, words, is_waiting=highest.instances > needed)
        words += f", and {highest.instances} within the last {span}"
        return _Wish(total, needed, words, is_waiting=True)
    return _Wish(total, needed, words)


def _is_above(need: _Need, total: int, scale: Autoscale) -> bool:
    return need.milli * WHOLE > total * MILLI * (WHOLE + scale.tolerance)


def _is_below(need: _Need, total: int, scale: Autoscale) -> bool:
    """Tell whether fewer instances would do, with the tolerance to spare."""
    return need.instances < total and need.milli * WHOLE < total * MILLI * (WHOLE - scale.tolerance)


def _within(series: Series, window: Duration) -> Iterator[Sample]:
    """Give the samples of a window, the latest one in any case."""
    since = series[-1].end - window
    yield series[-1]
    for sample in reversed(series[:-1]):
        if sample.end <= since:
            return
        yield sample


def _need(scale: Autoscale, rates: Rates) -> _Need:
    need = _NONE
    if scale.rps_per_instance is not None:
        need = max(need, _of(rates.requests, scale.rps_per_instance, "requests/s"))
    if scale.in_flight_per_instance is not None:
        need = max(need, _of(rates.under_way, scale.in_flight_per_instance, "requests under way"))
    return need


def _of(asked: int, each: int, unit: str) -> _Need:
    return _Need(milli=-(-asked // each), asked=asked, each=each, unit=unit)


def _is_known(series: Series, window: Duration) -> bool:
    """Tell whether the figures reach back so far without a gap."""
    at = series[-1].end
    since = at - window
    for sample in reversed(series):
        if at - sample.end > STALE:
            return False
        at = sample.begin
        if at <= since:
            return True
    return False


def _pace(stride: Stride) -> str:
    return f"{format_share(stride.max, WHOLE)} in {format_duration(stride.per)}"
