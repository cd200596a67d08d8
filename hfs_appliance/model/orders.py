"""Orders: what operators have said about taking servers away: not now (holds), or all the same (approvals)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hfs_appliance.model.instants import HOUR, Duration, Instant, after

APPROVED_FOR: Final = Duration(HOUR)
"""An approval is of what somebody has looked at just now."""
APPROVABLE: Final = frozenset({"destroy-budget", "quarantine", "storm"})
"""Rules of holds that give way to an operator's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restraint:
    """Nothing of a scope is to be taken away, whatever the cause."""

    reason: str
    author: str
    at: Instant
    until: Instant | None = None
    """None: until somebody releases it."""

    def is_in_force(self, now: Instant) -> bool:
        """Tell whether it has not expired."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a guard holds back in a scope is to be done."""

    rule: str
    author: str
    at: Instant
    amount: int = 0
    """How many servers it was about."""

    def is_in_force(self, now: Instant) -> bool:
        """Tell whether it has not expired."""
        return now < after(self.at, APPROVED_FOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Content of `holds`, by scope: `environment`, `service/<name>`, `pool/<name>` or `server/<id>`."""

    restraints: Mapping[str, Restraint] = field(default_factory=dict)
    approvals: Mapping[str, tuple[Approval, ...]] = field(default_factory=dict)

    def in_force(self, now: Instant) -> Orders:
        """Give what has not expired."""
        if not self.restraints and not self.approvals:
            return self
        approvals = {scope: tuple(a for a in found if a.is_in_force(now)) for scope, found in self.approvals.items()}
        return Orders(
            restraints={scope: order for scope, order in self.restraints.items() if order.is_in_force(now)},
            approvals={scope: found for scope, found in approvals.items() if found},
        )

    def approved(self, rule: str) -> Mapping[str, int]:
        """Give the scopes in which a rule's holds are approved, and for how many servers together."""
        found = {
            scope: [approval.amount for approval in approvals if approval.rule == rule]
            for scope, approvals in self.approvals.items()
        }
        return {scope: sum(amounts) for scope, amounts in found.items() if amounts}

    def next_end(self) -> Instant | None:
        """Tell when the first of them expires."""
        ends = [order.until for order in self.restraints.values() if order.until is not None]
        ends += [after(approval.at, APPROVED_FOR) for found in self.approvals.values() for approval in found]
        return min(ends, default=None)
