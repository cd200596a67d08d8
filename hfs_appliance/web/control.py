"""Control: what the admin API asks of the running appliance. The runtime provides it; tests have one of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from hfs_appliance.model.explained import Explained
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.reports import (
    Adopted,
    Applied,
    Change,
    EventReport,
    HandedOver,
    HoldCard,
    PlanReport,
    ServerReport,
    Status,
)
from hfs_appliance.model.rollout import Order, Strategy
from hfs_appliance.model.upgrades import GenerationReport, Ordered, RolloutReport


class Control(Protocol):
    """Errors: PortError of any kind; ConfigError for a bad source; UnknownName for a server or service not known."""

    def status(self) -> Status:
        """Tell how the environment stands."""
        ...

    def servers(self) -> Sequence[ServerReport]:
        """List the servers, sorted by id."""
        ...

    async def explain(self, target: str) -> Explained:
        """Tell all about one server, one service, or (it begins with `/`) one path of the endpoint."""
        ...

    def events(self, after: int, *, is_following: bool) -> AsyncGenerator[EventReport, None]:
        """Give the events with seq > after that are still kept; then, when following, each new one.

        The reader closes it (`aclosing`).
        """
        ...

    async def desired_source(self) -> tuple[int, str]:
        """Give the generation in force and its TOML source."""
        ...

    async def plan(self, source: str | None, file: str) -> PlanReport:
        """Tell what applying `source` (None: nothing) would change and what would be done; changes nothing."""
        ...

    async def apply(
        self, source: str, file: str, author: str, base_generation: int | None, *, confirm: str | None
    ) -> Applied:
        """Store `source` as the next generation.

        Errors: Conflict when `base_generation` is no longer in force; Unconfirmed when it removes much and `confirm` is
        not the hash of its plan.
        """
        ...

    async def scale(
        self, service: ServiceName, version: Version | None, instances: int, author: str, *, confirm: str | None
    ) -> Applied:
        """Store another count; `version` may be left out when the service has one only. Errors: Unconfirmed."""
        ...

    def holds(self) -> Sequence[HoldCard]:
        """Give a card for each thing that is withheld."""
        ...

    async def hold(self, target: str, reason: str, author: str, lasts: Duration | None) -> str:
        """Have nothing of a service, pool, server or the `environment` taken away; give the scope."""
        ...

    async def release(self, target: str) -> str:
        """End a hold, and what was approved there; give the scope."""
        ...

    async def approve(self, target: str, author: str) -> Sequence[HoldCard]:
        """Have done what guards hold back there; give their cards. Errors: Rejected when there is nothing."""
        ...

    def rollouts(self) -> Sequence[RolloutReport]:
        """Tell of every service that has, or had, a rollout."""
        ...

    async def upgrade(self, service: ServiceName, version: Version, strategy: Strategy | None, author: str) -> Applied:
        """Have another version take over; `strategy` is the file's when it is left out."""
        ...

    async def order_rollout(self, service: ServiceName, order: Order) -> Ordered:
        """Ask something of the rollout that runs; Rejected when none does."""
        ...

    async def roll_back(self, service: ServiceName, author: str) -> Ordered:
        """Go back to the former versions."""
        ...

    async def history(self) -> Sequence[GenerationReport]:
        """List the generations that are kept, the newest first."""
        ...

    async def difference(self, before: int, after: int) -> Sequence[Change]:
        """Tell what differs between two generations."""
        ...

    async def restore(
        self, generation: int, author: str, base_generation: int | None, *, confirm: str | None = None
    ) -> Applied:
        """Make a former generation the next one. Errors: as of `apply`."""
        ...

    async def adopt(self, author: str) -> Adopted:
        """Have registry and fleet belong together from now on, as they are."""
        ...

    async def kill(self, server: ServerId) -> None:
        """Break a server (local provider only)."""
        ...

    async def hand_over(self) -> HandedOver:
        """Have another appliance lead, and tell which one does."""
        ...

    async def down(self) -> None:
        """Retire everything; the appliance ends by itself when nothing is left."""
        ...
