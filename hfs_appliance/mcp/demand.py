"""Demand: how many instances a service is to have by what is asked of it. Figures and the size before, in; a size, out.

Target tracking: each target says how many instances would bring it about, and the largest number wins, because the
scarcest resource decides. What is needed is computed from what is asked, never from the present number, so that
instances which are still coming are not asked for twice. Growing needs the last ten seconds, or all of `up.window`;
shrinking needs the whole of `down.window` without a gap in any target's figures: what nobody measured may have been the
peak. Nor does a service shrink while its requests fail: what fails at once asks for little.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from hfs_appliance.mcp.signals import Need, failing, needs
from hfs_appliance.model.autoscale import Autoscale, Demand, Size, Stride, WhenBlind
from hfs_appliance.model.instants import Duration, Instant, after, format_duration, seconds
from hfs_appliance.model.load import MILLI, Sample, Series
from hfs_appliance.model.shares import WHOLE, format_share, part_of

STALE: Final = seconds(30)
"""Figures that are older say nothing any more, and a gap of this length is one."""


class _Wish(NamedTuple):
    """What would be right, without regard to bounds and pace."""

    total: int
    needed: int | None
    words: str
    is_waiting: bool = False


def demand(scale: Autoscale, usual: int, floor: int, size: Size | None, series: Series, now: Instant) -> Demand:
    """Give the size of a service that has been `size` so far (None: `usual`, what its versions say)."""
    least, most = min(max(scale.min, floor), scale.max), scale.max
    before = size if size is not None else Size(total=usual, base=usual, since=now)
    total = min(max(before.total, least), most)
    if total != before.total:  # bounds are the operator's word, and are not approached in strides
        before = Size(total=total, base=total, since=now)
    found = needs(scale, series[-1].most) if series and now < series[-1].end + STALE else None
    wish = _seeing(scale, total, series) if found is not None and found.known else _blind(scale, usual, total)
    signals = found.words if found is not None else ()
    wanted, words = min(max(wish.total, least), most), wish.words
    if wanted != wish.total:
        words += f"; {'max' if wanted == most else 'min'} = {wanted}"
    if wanted == total:
        is_waiting = wish.is_waiting and wish.needed is not None and min(max(wish.needed, least), most) != total
        return Demand(size=before, needed=wish.needed, words=words, signals=signals, is_waiting=is_waiting)
    stride = scale.up if wanted > total else scale.down
    base, since = _begun(before, stride, now, is_growing=wanted > total)
    length = max(1, part_of(base, stride.max))
    reached = min(wanted, base + length) if wanted > total else max(wanted, base - length)
    size = Size(total=reached, base=base, since=since)
    if reached == wanted:
        return Demand(size=size, needed=wish.needed, words=words, signals=signals)
    words += f"; {_pace(stride)} is the pace"
    until = after(since, stride.per)
    return Demand(size=size, needed=wish.needed, words=words, signals=signals, is_waiting=True, until=until)


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
    found = needs(scale, series[-1].most)
    latest = found.most
    words, needed = latest.words, latest.instances
    if _is_above(latest, total, scale):
        lowest = min((needs(scale, sample.least).most for sample in _within(series, scale.up.window)), key=_milli)
        if _is_above(lowest, total, scale) and _is_known(series, scale.up.window):
            return _Wish(lowest.instances, needed, words)
        span = format_duration(scale.up.window)
        return _Wish(total, needed, f"{words}, which must hold for {span}", is_waiting=True)
    if _is_below(latest, total, scale):
        return _shrinking(scale, total, series, latest)
    return _Wish(total, needed, words)


def _shrinking(scale: Autoscale, total: int, series: Series, latest: Need) -> _Wish:
    """Shrink to what the whole window needed, if all of it is known and nothing failed in it."""
    words, needed, window = latest.words, latest.instances, scale.down.window
    span, samples = format_duration(window), tuple(_within(series, window))
    if not _is_known(series, window):
        return _Wish(total, needed, f"{words}, which must hold for {span}", is_waiting=True)
    found = [needs(scale, sample.most) for sample in samples]
    unknown = next((each.unknown for each in found if each.unknown), None)
    if unknown is not None:
        words += f", and nothing was known of its {' and '.join(unknown)} within the last {span}"
        return _Wish(total, needed, words, is_waiting=True)
    trouble = next(filter(None, (failing(scale, sample.most) for sample in samples)), None)
    if trouble is not None:
        return _Wish(total, needed, f"{words}, and {trouble} (within the last {span})", is_waiting=True)
    highest = max((each.most for each in found), key=_milli)
    if _is_below(highest, total, scale):
        return _Wish(highest.instances, needed, words, is_waiting=highest.instances > needed)
    return _Wish(total, needed, f"{words}, and {highest.instances} within the last {span}", is_waiting=True)


def _milli(need: Need) -> int:
    return need.milli


def _is_above(need: Need, total: int, scale: Autoscale) -> bool:
    return need.milli * WHOLE > total * MILLI * (WHOLE + scale.tolerance)


def _is_below(need: Need, total: int, scale: Autoscale) -> bool:
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
