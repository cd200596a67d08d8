"""What the traffic tells to those who judge a run."""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Duration
from sim.truth import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFlowed(Fact):
    """What became of a service's requests since this was told last; told when anything changes noticeably."""

    service: ServiceName
    asked: int
    """Micro-requests that came; the sum over all facts of a run is exact."""
    lost: int
    """Of these, the ones without an answer in time, or with an error."""
    latency_p95: Duration
    """Of what was answered in this time."""
    utilisation: int
    """Of the instances that answer, per mille, from now on."""
