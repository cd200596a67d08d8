"""Mutants: deliberately wrong products, each of which a checker must see. The proof that the checkers can fail.

One module for each family of rules; all are known once this package is imported.
"""

from __future__ import annotations

from sim.mutants import balancer, books, building, destruction, leadership, loop, routes, upgrades, wishes, witnesses
from sim.mutants.base import MUTANTS, Mutant, applied

FAMILIES = (witnesses, destruction, building, books, leadership, routes, balancer, upgrades, loop, wishes)

__all__ = ["FAMILIES", "MUTANTS", "Mutant", "applied"]
