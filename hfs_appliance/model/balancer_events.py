"""Events of the load balancer before the proxies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hfs_appliance.model.event import EventBase, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerChanged(EventBase):
    """Another set of proxies is in force at the load balancer, or another load balancer of ours goes."""

    kind: ClassVar[str] = "balancer-changed"
    members: int
    weighted: int
    """Those of them that get new connections."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerRefused(EventBase):
    """The load balancer did not answer, or did not do what was asked; told once for each reason until it is well."""

    kind: ClassVar[str] = "balancer-refused"
    severity: ClassVar[Severity] = Severity.WARNING
    words: str
