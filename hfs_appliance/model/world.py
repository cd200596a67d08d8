"""The World: the one immutable value that `decide` looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.ledger import Failure, Ledger
from hfs_appliance.model.load import LoadView
from hfs_appliance.model.observed import CloudView, Observation, RegistryView
from hfs_appliance.model.orders import Orders
from hfs_appliance.model.plan import Action
from hfs_appliance.model.probes import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that a decision may depend on. None: never observed (blind)."""

    now: Instant
    desired: DesiredState | None
    cloud: Observation[CloudView] | None
    registry: Observation[RegistryView] | None
    probes: Mapping[ServerId, Probe] = field(default_factory=dict)
    """Answers of those whom the plan before wanted asked."""
    load: Observation[LoadView] | None = None
    """Of the services that the plan before wanted measured."""
    ledger: Ledger = field(default_factory=Ledger)
    orders: Orders = field(default_factory=Orders)
    """Of operators, those that have not expired."""
    in_flight: Mapping[ServerId, Action] = field(default_factory=dict)
    """Actions being carried out: their servers' lanes are taken, and what they will bring already counts."""
    answered: Mapping[ServerId, Instant] = field(default_factory=dict)
    """When an attempt of ours to make or delete a server ended last, of late and in this life."""
    failures: tuple[Failure, ...] = ()
    """What failed since the last decision; each is told once."""
    is_registry_behind: bool = False
    """The registry holds less than we wrote there ourselves."""
    is_closing: bool = False
    """`hfs down` was asked: everything is retired, nothing is started."""
