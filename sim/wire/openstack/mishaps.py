"""Mishaps: what goes wrong with the next calls, in the order in which a test or a person has asked for it.

Rates and weather that last are the switches of sim/cloudfaults.py, as in the simulated cloud.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sim.wire.openstack.http import Ending, Request, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """Something that happens to one call."""

    status: int | None = None
    """This in place of an answer; None: the answer is as it is."""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """This in place of the answer's body."""
    ending: Ending = Ending.WHOLE
    is_late: bool = False
    """Whether the call is carried out first, so that only its caller does not hear of it."""


class Mishaps:
    """Those that wait for their call."""

    def __init__(self) -> None:
        self._waiting: Final[list[tuple[str, re.Pattern[str], Mishap]]] = []

    def next(self, method: str, path: str, mishap: Mishap, *, times: int = 1) -> None:
        """Let it happen to the next calls of a method whose path matches a pattern."""
        self._waiting.extend([(method, re.compile(path), mishap)] * times)

    def strike(self, request: Request) -> Mishap | None:
        """Give what is to happen to a call."""
        for index, (method, path, mishap) in enumerate(self._waiting):
            if method == request.method and path.search(request.path):
                del self._waiting[index]
                return mishap
        return None


def spoil(response: Response, mishap: Mishap) -> Response:
    """Give the answer as it leaves."""
    return Response(
        status=response.status if mishap.status is None else mishap.status,
        body=response.body,
        raw=response.raw if mishap.raw is None else mishap.raw,
        headers={**response.headers, **mishap.headers},
        ending=mishap.ending,
    )
