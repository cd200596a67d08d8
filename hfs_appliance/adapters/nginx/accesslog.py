"""What nginx's access log says of the load: lines -> what was measured, by service and version. No file is touched.

The log is ours (proxy/templates): one JSON object a line, of which a few fields are picked out by their places, five
times quicker than reading all of it. A line that is not as we write it is no request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.load import Measured, bucket_of

Place: TypeAlias = str
"""`address:port`, as nginx writes it."""
Owner: TypeAlias = tuple[ServiceName, Version]

UNKNOWN: Final = Version("")
"""The version of a request for which no instance could be tried, or one that nobody knows any more."""

LINES_MAX: Final = 20_000
"""Of one reading; of more, every second, third, … line is read and counts for as many."""

# `uri` is escaped by nginx (escape=json): no bare quote can stand in it, so the first match is the field itself.
_FIELDS: Final = re.compile(rb'"status":(\d{3}),"bytes":\d+,"seconds":(\d+)\.(\d{3}),"upstream":"([^"]*)"')

_SERVICE: Final = re.compile(rb'"service":"([a-z0-9-]+)"')


def measure(
    lines: Iterable[bytes], weight: int, owners: Mapping[Place, Owner]
) -> Mapping[ServiceName, Mapping[Version, Measured]]:
    """Add up the requests to services, each for the version of the instance that was tried last, `weight` times.

    What is for no service (documents, unknown paths), or for one without members, is left out.
    """
    tallies: dict[Owner, _Tally] = {}
    for line in lines:
        found = _FIELDS.search(line)
        if found is None or not found[4]:
            continue
        owner = owners.get(found[4].rpartition(b" ")[2].decode())
        if owner is None:
            named = _SERVICE.search(line)
            if named is None:
                continue
            owner = (ServiceName(named[1].decode()), UNKNOWN)
        tally = tallies.get(owner)
        if tally is None:
            tally = tallies[owner] = _Tally()
        tally.add(int(found[1]), int(found[2] + found[3]) * 1000)
    services: dict[ServiceName, dict[Version, Measured]] = {}
    for (service, version), tally in sorted(tallies.items()):
        services.setdefault(service, {})[version] = tally.measured(weight)
    return services


def thinned(lines: list[bytes]) -> tuple[list[bytes], int]:
    """Give as many lines as are read, evenly, and how many each counts for."""
    weight = -(-len(lines) // LINES_MAX) or 1
    return lines[::weight], weight


class _Tally:
    def __init__(self) -> None:
        self._requests = self._errors = self._busy_us = 0
        self._latencies: dict[int, int] = {}

    def add(self, status: int, busy_us: int) -> None:
        """Count a request. 499 is a client that left before the answer came: nobody's fault that we know of."""
        self._requests += 1
        self._errors += status >= 500
        self._busy_us += busy_us
        bucket = bucket_of(busy_us)
        self._latencies[bucket] = self._latencies.get(bucket, 0) + 1

    def measured(self, weight: int) -> Measured:
        """Give the sums."""
        return Measured(
            requests=self._requests * weight,
            errors=self._errors * weight,
            busy_us=self._busy_us * weight,
            latencies={bucket: count * weight for bucket, count in sorted(self._latencies.items())},
        )
