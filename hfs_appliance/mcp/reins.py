"""Reins: an operator's holds, as a plan in the making obeys them. Nothing of a held scope is taken away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hfs_appliance.mcp.budget import ENVIRONMENT
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import format_instant
from hfs_appliance.model.orders import Orders, Restraint
from hfs_appliance.model.plan import Hold

RULE: Final = "operator-hold"


@dataclass(slots=True)
class Reins:
    """The holds in force, and what they hold back."""

    orders: Orders
    _withheld: Counter[str] = field(default_factory=Counter)

    def forbid(self, scope: str, server: ServerId | None = None, amount: int = 1) -> bool:
        """Tell, and count, whether a server of a scope, or so many that nobody has named, must not be taken away."""
        restraints = self.orders.restraints
        if not restraints:
            return False
        for place in (ENVIRONMENT, scope, f"server/{server}"):
            if place in restraints:
                self._withheld[place] += amount
                return True
        return False

    def named(self) -> Iterator[ServerId]:
        """Give the servers that are held by name."""
        scopes = (scope.partition("/") for scope in self.orders.restraints)
        return (ServerId(name) for kind, _, name in scopes if kind == "server")

    def holds(self) -> Iterator[Hold]:
        """Tell of each hold that holds something back."""
        for scope, count in sorted(self._withheld.items()):
            yield card(scope, self.orders.restraints[scope], count)


def card(scope: str, restraint: Restraint, count: int) -> Hold:
    """Say what an operator's hold is about."""
    words = f"held by {restraint.author} since {format_instant(restraint.at)}: {restraint.reason}"
    if count:
        words = f"{words}; {count} that should go {'is' if count == 1 else 'are'} kept"
    return Hold(scope=scope, rule="operator-hold", words=words, until=restraint.until, amount=count)
