"""What runs on a simulated server: the agent's and the service's behaviour as callbacks on the heap.

It keeps to the protocol of the real agent in the registry: pool entry, assignment by nonce and anchor, registration,
drain, leave. What a real server keeps on its disk is kept here over power failures and restarts of the agent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import MILLISECOND, Duration, Instant
from hfs_appliance.model.observed import PoolEntry
from hfs_appliance.model.probes import Answer, Pulse
from hfs_appliance.registry import formats
from hfs_appliance.registry.curator import write_registration
from hfs_appliance.registry.paths import Layout
from sim.ensemble import Ensemble
from sim.link import Link
from sim.machine import Machine
from sim.pace import RUN_AGAIN, SLOW_BOOT, ServerPace, patience
from sim.presence import Presence, registration_of
from sim.role import Read, Role, read, settle, understand
from sim.servicefaults import ServiceFaults
from sim.streams import Stream
from sim.truth import Condition, ConditionChanged, Truth
from sim.uplink import Uplink


class SimServer:
    """One server; implements the datacentre's Life and the link's Listener."""

    def __init__(
        self,
        machine: Machine,
        ensemble: Ensemble,
        stream: Stream,
        pace: ServerPace,
        faults: ServiceFaults,
        truth: Truth,
    ) -> None:
        self.machine: Final = machine
        self._truth: Final = truth
        self._told = Condition.DARK
        self._ensemble: Final = ensemble
        self._clock: Final = ensemble.clock
        self._stream: Final = stream
        self._pace: Final = pace
        self._faults: Final = faults
        self._layout: Final = Layout(machine.spec.environment)
        self.uplink: Final = Uplink()
        self.link: Link | None = None
        self._is_powered = self._is_booted = False
        self._power = 0
        """Counts power-ons; what was due in an earlier one never happens."""
        self._presence: Final = Presence(ensemble)
        # On the disk
        self._is_built = False
        self._role: Role | None = None
        self._anchor = 0
        # Of the service
        self._starts = 0
        self._failed_starts = 0
        self._healthy_since: Instant | None = None
        self.hung_since: Instant | None = None
        """Since when it takes requests and never answers."""
        self.slowness = 1
        """V9: factor on the time of everything it does."""
        self.errors = 0
        """V9: per mille of its answers that are errors; its agent does not see them."""
        self._busy_since: Instant | None = None
        """Since when it is too busy to answer its agent in time, though it works."""
        self._is_given_up = False
        """Whether the agent has taken it out of traffic for that."""
        self.is_broken = False
        """V14: whether no service ever comes up here, whatever it is."""
        self._unfit = ""
        self.is_confused = False
        """P4, P10: whether it registers as another version than it was given."""
        self._is_stopped = False
        self._is_draining = False

    @property
    def is_serving(self) -> bool:
        """Tell whether the service answers now."""
        return self._healthy_since is not None and self.hung_since is None

    @property
    def is_hanging(self) -> bool:
        """Tell whether the service takes requests and answers none."""
        return self._healthy_since is not None and self.hung_since is not None

    def answer(self, port: int) -> Answer | None:
        """Tell what a probe hears; None: nothing, not even that nothing is there."""
        if not self._is_powered:
            return None
        if self._healthy_since is None or self.assignment is None or self.assignment.port != port:
            return Answer(pulse=Pulse.DARK, words="connection refused")
        if self.hung_since is not None or self._busy_since is not None:
            return Answer(pulse=Pulse.SICK, words="no answer in time")
        return Answer(pulse=Pulse.ALIVE, words="status 200")

    @property
    def condition(self) -> Condition:
        """Tell how it really is."""
        if not self._is_booted:
            return Condition.DARK
        if not self._is_built:
            return Condition.BUILDING
        if self.assignment is None:
            return Condition.WARM
        if self._is_stopped:
            return Condition.STOPPED
        if self.is_serving:
            return Condition.SERVING
        return Condition.SICK if self._starts or self._failed_starts else Condition.STARTING

    @property
    def assignment(self) -> Assignment | None:
        """Give what it was told to be."""
        return self._role.assignment if self._role is not None else None

    @property
    def role(self) -> tuple[ServiceName, Version] | None:
        """Tell what it serves, or is to serve."""
        return (self.assignment.service, self.assignment.version) if self.assignment is not None else None

    def _tell(self) -> None:
        """Tell the truth when it has changed."""
        before, self._told = self._told, self.condition
        if (after := self._told) is not before:
            server, (service, version) = self.machine.spec.server, self.role or (None, None)
            facts = ConditionChanged(server=server, before=before, after=after, service=service, version=version)
            self._truth.tell(facts)

    # Life

    def power_on(self) -> None:
        """Boot; then the agent starts."""
        self._power += 1
        self._is_powered = True
        tail = SLOW_BOOT if self._stream.chance(self._faults.slow_boots) else 1
        self._later(self._stream.draw(self._pace.booting) * tail, self._boot)

    def let_stand(self, role: Role | None) -> None:
        """Be a server that was built, and has served for a while if it has a role, before the story begins."""
        self._power += 1
        self._is_powered = self._is_booted = self._is_built = True
        self._role = role
        if role is not None:
            self._starts = 1
            self._healthy_since = self._clock.now()
        self._tell()
        self._start_agent()

    def power_off(self) -> None:
        """Lose everything that is not on the disk."""
        self._power += 1
        self._is_powered = self._is_booted = self._is_given_up = False
        self._healthy_since = self._busy_since = None
        self._tell()
        self._let_go()

    # Faults of what runs here

    def crash_service(self) -> None:
        """Let the service end by itself; the agent starts it again."""
        if self._healthy_since is None:
            return
        self._healthy_since = None
        self._tell()
        self._register()
        self._start_again()

    def hang_service(self) -> None:
        """Let the service stop answering; the agent only takes it out of traffic."""
        if not self.is_serving or self.assignment is None:
            return
        self.hung_since = self._clock.now()
        self._tell()
        self._later(patience(self.assignment.health), self._register)

    def recover_service(self) -> None:
        """Let a hung service answer again."""
        if self.hung_since is not None:
            self.hung_since = None
            self._tell()
            self._register()

    def look_again(self) -> None:
        """Let the agent's next probes tell it something else than before."""
        if self.assignment is not None:
            self._later(patience(self.assignment.health), self._register)

    def overwhelm(self, stream: Stream) -> None:
        """Let the service be too busy to answer its agent in time; whoever waits long enough gets an answer."""
        if self._busy_since is None and self.assignment is not None:
            self._busy_since = self._clock.now()
            health = self.assignment.health
            self._later(patience(health) + stream.below(health.interval), self._give_up)

    def relieve(self, stream: Stream) -> None:
        """Let the service have time for its agent again, which notices with its next probe."""
        if self._busy_since is not None and self.assignment is not None:
            self._busy_since = None
            self._later(stream.below(self.assignment.health.interval), self._take_back)

    def _give_up(self) -> None:
        assert self.assignment is not None
        since = self._busy_since
        if since is not None and self._clock.now() - since >= patience(self.assignment.health):
            self._is_given_up = True
            self._register()

    def _take_back(self) -> None:
        if self._is_given_up and self._busy_since is None:
            self._is_given_up = False
            self._register()

    def become_unfit(self, words: str) -> None:
        """Lose what a role needs; its agent finds out, and says so where the server is offered."""
        self._unfit, self.is_broken = words, True
        self._offer()

    def crash_agent(self) -> None:
        """Let the agent end as kill -9 does; its service goes on, its session ends by itself, the next agent adopts."""
        if self.link is not None:
            self._let_go()
            self._later(self._stream.draw(self._pace.agent_restarting), self._start_agent)

    # The agent

    def _let_go(self) -> None:
        self._presence.end()
        if self.link is not None:
            self.link.die()
            self.link = None

    def _boot(self) -> None:
        self._is_booted = True
        self._tell()
        self._start_agent()

    def _start_agent(self) -> None:
        timeout = Duration(self.machine.spec.session_timeout_ms * MILLISECOND)
        self.link = Link(self._ensemble, timeout, self, uplink=self.uplink)
        self._presence.begin(self.link)
        if not self._is_built:
            self._build()
        elif self.assignment is None:
            self._offer()
        else:
            self._carry_out()

    def _build(self) -> None:
        """Apply updates and configuration; what fails is run again, as Puppet is, from the beginning."""
        faults, stream = self._faults, self._stream
        span = (stream.draw(self._pace.updates) + stream.draw(self._pace.configuration)) * faults.slow_builds
        if faults.spoil(self.machine.spec.recipe) or stream.chance(faults.failing_builds):
            self._later(stream.below(span) + RUN_AGAIN, self._build)
        else:
            self._later(span, self._finish_build)

    def _finish_build(self) -> None:
        self._is_built = True
        self._tell()
        if self.assignment is None:
            self._offer()
        else:
            self._carry_out()

    def _offer(self) -> None:
        spec, address = self.machine.spec, self.machine.listed.address
        entry = PoolEntry(server=spec.server, nonce=spec.nonce, pool=spec.pool, address=address, unfit=self._unfit)
        self._presence.want(self._layout.pool_entry(spec.server), formats.write(entry))

    def _carry_out(self) -> None:
        """Leave the pool, then run the instance (or adopt it, or let it leave)."""
        assert self.assignment is not None
        self._presence.withdraw(self._layout.pool_entry(self.machine.spec.server), self._run_instance)

    def _run_instance(self) -> None:
        assert self.assignment is not None
        if self.assignment.drain_at is not None:
            self._drain()
        elif self._healthy_since is None and not self._is_stopped:
            self._later(self._stream.draw(self._pace.starting), self._become_healthy)
        self._register()

    def _become_healthy(self) -> None:
        assignment = self.assignment
        if assignment is None or self._is_stopped or self._is_draining or self._healthy_since is not None:
            return
        faults = self._faults
        is_broken = self.is_broken or assignment.version in faults.broken_versions
        if is_broken or self._stream.chance(faults.failing_starts):
            self._start_again()
            return
        self._starts += 1
        self._failed_starts = 0
        self.hung_since = None
        self._healthy_since = self._clock.now()
        self._tell()
        self._register()

    def _start_again(self) -> None:
        """Pause as the agent does: doubled by each failure in a row, with jitter, within the bound."""
        assert self.assignment is not None
        run = self.assignment.run
        span = min(run.restart_backoff << min(self._failed_starts, 30), run.restart_backoff_max)
        self._failed_starts += 1
        self._tell()
        pause = span * self._stream.between(750, 1250) // 1000
        self._later(pause + self._stream.draw(self._pace.starting), self._become_healthy)

    def _register(self) -> None:
        """Want the registration that is true now."""
        assignment = self.assignment
        if assignment is None:
            return
        path = self._layout.registration(assignment.service, assignment.server)
        is_well = self.hung_since is None and not self._is_given_up and not self._faults.are_checks_failing
        if self._healthy_since is None or not is_well or self._is_stopped:
            self._presence.want(path, None)
            return
        registration = registration_of(
            assignment,
            self.machine.listed.address,
            boot=self._starts,
            is_draining=self._is_draining,
            is_confused=self.is_confused,
        )
        self._presence.want(path, write_registration(registration, self._healthy_since))

    def _drain(self) -> None:
        assert self.assignment is not None
        if not self._is_draining:
            self._is_draining = True
            self._register()
            self._later(self.assignment.drain, self._stop)

    def _stop(self) -> None:
        self._is_stopped = True
        self._register()
        self._healthy_since = None
        self._tell()

    # Role

    def _look(self) -> None:
        """Read what this server is to be."""
        if self.link is not None:
            self.link.request(partial(read, self._ensemble, self._layout, self.machine.spec), self._take)

    def _take(self, found: Read) -> None:
        seen = understand(found, self.machine.spec, self._role)
        if seen is None:
            return
        if seen.role is None:
            # An emptied or rolled-back registry takes nobody's role away.
            if self.assignment is not None and self._anchor == seen.anchor and seen.is_forgotten:
                self._stop()
            return
        had, self._role, self._anchor = self._role, seen.role, seen.anchor
        self._tell()
        if had is None and self._is_built:
            self._carry_out()
        elif seen.role.assignment.drain_at is not None and self._is_built:
            self._drain()

    # The link's listener

    def connected(self, session_id: int, asked_at: Instant) -> None:  # noqa: ARG002  # the listener's signature
        """Watch and read the role, and put every entry right."""
        assert self.link is not None
        settle(self._ensemble, self.link, self._layout, self.machine.spec, self._presence, self._take)

    def suspended(self) -> None:
        """Change nothing: a registry that is away takes no service out of traffic."""

    def lost(self) -> None:
        """Change nothing: the next session puts the entries right."""

    def changed(self, path: str) -> None:
        """Read the role again, or put an entry of ours right that somebody else has touched."""
        if not self._presence.heal(path):
            self._look()

    def _later(self, span: int, act: Callable[[], None]) -> None:
        power = self._power

        def due() -> None:
            if self._power == power:
                act()

        self._clock.after(span, due)
