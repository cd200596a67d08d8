"""Again: when to ask the cloud once more for what it has answered and does not show."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.instants import Duration, Instant, after, between, seconds

LONGEST: Final = seconds(300)


def again_at(begun: Instant, answered: Instant | None, first: Duration) -> Instant:
    """Give the instant for asking again; `answered`: when an attempt of ours ended last, as far as we remember.

    The time that has passed doubles from one attempt to the next. A list that is old, or a request that is accepted and
    forgotten, would have us ask as fast as the cloud answers otherwise: thousands of calls for one server.
    """
    if answered is None:
        return after(begun, first)
    return after(answered, Duration(min(max(first, between(begun, answered)), LONGEST)))
