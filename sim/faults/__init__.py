"""The fault menu: everything that can go wrong in a simulation, by name. Each module below is one part of the world."""

from __future__ import annotations

from sim.faults import (  # noqa: F401  # each puts its kinds on the menu
    balancer,
    cloud,
    datacentre,
    leader,
    load,
    network,
    operator,
    orders,
    plane,
    proxy,
    registry,
    service,
    upgrades,
)
from sim.faults.menu import MENU, Kind, Struck

__all__ = ["MENU", "Kind", "Struck"]
