"""A call of the cloud's API, and its answer, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hfs_appliance.model.instants import Instant


class Api(StrEnum):
    """A service, as catalogues name it."""

    COMPUTE = "compute"
    IMAGE = "image"
    NETWORK = "network"
    LOAD_BALANCER = "load-balancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; `path` begins below the version (`/servers/detail`)."""

    api: Api
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    microversion: str | None = None

    @property
    def words(self) -> str:
        """Name the call to people."""
        return f"{self.api.value} {self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, whatever it says."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    told_at: Instant | None
    """The cloud's own time of it."""


class NotSent(Exception):
    """A call did not leave: there is no connection, or no token."""


class Lost(Exception):
    """A call has left, and there is no answer."""


class Refused(Exception):
    """Keystone will not have our credentials, or clouds.yaml says nothing of use."""


class NoService(Exception):
    """The cloud's catalogue has no such service."""
