"""What is wrong with the simulated cloud now: plain switches, which faults turn and the world obeys.

Rates are per mille. Ids are those of the fault catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hfs_appliance.model.ids import AvailabilityZone
from hfs_appliance.model.instants import Duration


@dataclass(slots=True, kw_only=True)
class CloudFaults:
    """What goes wrong now."""

    # With every call
    is_down: bool = False
    """O14: every call fails."""
    hangs: bool = False
    """O10: no call is answered."""
    slowness: int = 1
    """O10: factor on the time of every call."""
    refused_calls: int = 0
    """O1, O9: calls that fail before anything was done."""
    limited_calls: int = 0
    """O9: calls that are refused for their rate: 429."""
    retry_after: Duration | None = None
    """O9: what a 429 says on when to come back."""
    garbled_calls: int = 0
    """O11: calls that are carried out and answered with a page of HTML."""
    conflicting_calls: int = 0
    """O8: creations and deletions that are refused because something else is going on: 409."""
    denies_credentials: bool = False
    """H14: the password is wrong, or somebody changed it."""
    denies_logins: bool = False
    """O6: nobody gets a new token."""
    token: int = 0
    """O6: the token that is good now; clients that hold an older one hear 401 and log in again."""
    is_other_project: bool = False
    """O15: every call is answered for another project, in which nothing is ours."""

    # With creations and deletions
    refused_creates: int = 0
    """O1."""
    lost_creates: int = 0
    """O2: creations that are carried out though the caller hears that they failed."""
    late_creates: int = 0
    """O3: creations whose server comes into being minutes after the caller heard that they failed."""
    broken_builds: int = 0
    """V1: ERROR instead of ACTIVE."""
    stalled_builds: int = 0
    """V2: BUILD for ever."""
    dead_builds: int = 0
    """V3: ACTIVE, but nothing ever boots."""
    slow_builds: int = 1
    """V13: factor on the time from the request to ACTIVE."""
    full_zones: set[AvailabilityZone] = field(default_factory=set)
    """V1, O13: zones in which there is no valid host."""
    stalled_deletes: int = 0
    """V4: stuck in DELETING."""
    ignored_deletes: int = 0
    """V4: accepted, and nothing happens."""
    broken_deletes: int = 0
    """V4: ERROR instead of gone."""
    ghostly_deletes: int = 0
    """V4: gone from the cloud, and it runs on."""
    quota: int | None = None
    """O7: servers that there may be."""
    unseen: Duration = Duration(0)
    """O7: how long the quota does not see whom it has let in: who asks meanwhile is let in, too, and ends in ERROR."""
    quota_drift: int = 0
    """O7: servers that count against the quota and are not there, or not ours."""

    # With lists
    unlisted: int = 0
    """O4: servers that the list leaves out; always the same ones."""
    unlisted_zones: set[AvailabilityZone] = field(default_factory=set)
    """O4: zones whose servers the list leaves out."""
    admits_gaps: bool = True
    """Whether a list says that it is incomplete."""
    unknown: int = 0
    """O4: servers that the list gives the status UNKNOWN; always the same ones."""
    list_age: Duration = Duration(0)
    """O5: how old a list is when it is given out."""
