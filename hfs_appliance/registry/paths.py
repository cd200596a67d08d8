"""The layout of an environment in the registry: every path is made here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.model.ids import EnvironmentName, ServerId, ServiceName


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one environment."""

    environment: EnvironmentName

    @property
    def root(self) -> str:
        """Everything of this environment lies below."""
        return f"/hfs/{self.environment}"

    @property
    def desired(self) -> str:
        """The stored desired state."""
        return f"{self.root}/desired"

    @property
    def services(self) -> str:
        """Registrations, by service, then by instance."""
        return f"{self.root}/services"

    @property
    def pool(self) -> str:
        """Warm servers."""
        return f"{self.root}/pool"

    @property
    def servers(self) -> str:
        """Our records of servers."""
        return f"{self.root}/servers"

    @property
    def assignments(self) -> str:
        """Roles given to servers."""
        return f"{self.root}/assignments"

    @property
    def troubles(self) -> str:
        """What keeps instances out of traffic."""
        return f"{self.root}/troubles"

    @property
    def ledger(self) -> str:
        """What policy remembers (`Ledger`)."""
        return f"{self.root}/ledger"

    @property
    def holds(self) -> str:
        """What operators hold back or have approved (`Orders`)."""
        return f"{self.root}/holds"

    @property
    def anchor(self) -> str:
        """Which fleet this registry belongs to."""
        return f"{self.root}/anchor"

    @property
    def epoch(self) -> str:
        """The fence: its version is the epoch of the present term, its content says who holds it."""
        return f"{self.root}/epoch"

    @property
    def candidates(self) -> str:
        """The appliances of this environment: the one that leads and those that stand by."""
        return f"{self.root}/leader"

    def candidate(self, session_id: int) -> str:
        """One appliance's candidacy (ephemeral), named by its session: never made again once it is gone."""
        return f"{self.candidates}/{session_id:x}"

    @property
    def history(self) -> str:
        """Former generations of the desired state."""
        return f"{self.root}/history"

    @property
    def rollouts(self) -> str:
        """How far each service's rollout has got."""
        return f"{self.root}/rollouts"

    @property
    def traffic(self) -> str:
        """How the requests of services are divided among their versions: the traffic epochs."""
        return f"{self.root}/traffic"

    @property
    def proxies(self) -> str:
        """What each proxy serves (ephemeral)."""
        return f"{self.root}/proxies"

    @property
    def parents(self) -> tuple[str, ...]:
        """Entries that everything else is created below."""
        return (
            self.services,
            self.pool,
            self.servers,
            self.assignments,
            self.troubles,
            self.rollouts,
            self.traffic,
            self.proxies,
        )

    def registration(self, service: ServiceName, instance: str) -> str:
        """One instance's registration (ephemeral)."""
        return f"{self.services}/{service}/{instance}"

    def pool_entry(self, server: ServerId) -> str:
        """One warm server (ephemeral)."""
        return f"{self.pool}/{server}"

    def record(self, server: ServerId) -> str:
        """Our record of one server."""
        return f"{self.servers}/{server}"

    def assignment(self, server: ServerId) -> str:
        """The role of one server."""
        return f"{self.assignments}/{server}"

    def generation(self, number: int) -> str:
        """One generation of the desired state."""
        return f"{self.history}/{number:010d}"

    def rollout(self, service: ServiceName) -> str:
        """The state of one service's rollout."""
        return f"{self.rollouts}/{service}"

    def traffic_of(self, service: ServiceName) -> str:
        """The traffic entry of one service."""
        return f"{self.traffic}/{service}"

    def proxy(self, appliance: str) -> str:
        """What the proxy of one appliance serves (ephemeral)."""
        return f"{self.proxies}/{appliance}"

    def trouble(self, server: ServerId) -> str:
        """What keeps the instance of one server out of traffic (ephemeral)."""
        return f"{self.troubles}/{server}"
