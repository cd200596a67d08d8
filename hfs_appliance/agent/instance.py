"""One instance of a service on this server: installed, started, watched, and registered while it is healthy.

A crashed service is started again with a growing pause; one that hangs is only taken out of traffic (whether its server
is replaced is MCP's decision).
"""

from __future__ import annotations

from typing import Final

import trio

from hfs_appliance.adapters.presence import Presence
from hfs_appliance.agent.install import install
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.probe import probe
from hfs_appliance.agent.puppet.run import configure
from hfs_appliance.agent.service import Service, StartError, running_service, start_service, stop_service
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import Registrar
from hfs_appliance.model.instants import Duration, Instant, after, format_duration, seconds, to_seconds
from hfs_appliance.model.observed import InstanceStatus, Registration, Trouble
from hfs_appliance.model.probes import Answer
from hfs_appliance.ports.clock import Clock, Entropy
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry.curator import write_registration
from hfs_appliance.registry.formats import write
from hfs_appliance.registry.paths import Layout

_START_PATIENCE: Final = seconds(10)
"""A service that has just been started is not called unhealthy before."""
_WITHDRAW_WITHIN: Final = seconds(2)
"""A registry that is away may not hold up the stop of a service: our entry then ends with our session."""


class Instance:
    """Carries out one assignment."""

    def __init__(
        self, site: Site, assignment: Assignment, registry: Registry, clock: Clock, entropy: Entropy, log: Log
    ) -> None:
        self._site: Final = site
        self._assignment: Final = assignment
        self._clock: Final = clock
        self._entropy: Final = entropy
        self._log: Final = log
        layout = Layout(site.identity.environment)
        service, server = assignment.service, assignment.server
        self._registration: Final = Presence(registry, layout.registration(service, server), log.say)
        self._trouble: Final = Presence(registry, layout.trouble(server), log.say)
        self._service: Service | None = None
        self._healthy_since: Instant | None = None
        self._is_draining = False
        self._failed_probes = 0
        self._verdict = ""
        self._failed_starts = 0
        self._was_healthy = False
        self._patience_ends = clock.now()

    async def run(self) -> None:
        """Keep the instance running and its registration true."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._trouble.keep)
            if self._assignment.registrar is Registrar.AGENT:
                nursery.start_soon(self._registration.keep)
            service = running_service(self._site)
            if service is not None:
                self._log.say(f"service found running, pid {service.process.pid}")
            while True:
                if service is None:
                    self._registration.want(None)
                    service = await self._start()
                await self._watch(service)
                service = None
                await self._pause()

    def drain(self) -> None:
        """Say in the registration that new requests should go elsewhere; the service goes on."""
        self._is_draining = True
        self._log.say(f"draining for {format_duration(self._assignment.drain)}")
        self._register()

    async def stop(self) -> None:
        """Take the registration back, then end the service; call it when `run` has ended."""
        self._log.say("stopping")
        if self._assignment.registrar is Registrar.AGENT:
            with trio.move_on_after(to_seconds(_WITHDRAW_WITHIN)):
                await self._registration.withdraw()
        await stop_service(self._site)
        self._log.say("stopped")

    async def _start(self) -> Service:
        while True:
            try:
                if self._is_draining:
                    await trio.sleep_forever()  # what leaves is not started again
                if not self._site.is_installed:
                    await configure(self._site, self._assignment, self._log)
                    await install(self._site, self._assignment.run, self._log)
                service = await start_service(self._site, self._assignment)
            except (StepError, StartError) as error:
                report = error.report if isinstance(error, StepError) else ()
                self._complain(f"cannot start {self._assignment.service}: {error}", report)
                await self._pause()
            else:
                self._log.say(
                    f"started {self._assignment.service} {self._assignment.version}, pid {service.process.pid}"
                )
                return service

    async def _watch(self, service: Service) -> None:
        """Probe the service until it has ended."""
        self._service, self._failed_probes, self._verdict = service, 0, ""
        self._was_healthy = False
        patience = min(_START_PATIENCE, self._assignment.health.ready_within // 2)
        self._patience_ends = after(self._clock.now(), Duration(patience))
        address = self._site.identity.address
        async with trio.open_nursery() as nursery:
            nursery.start_soon(probe, address, self._assignment.port, self._assignment.health, self._judge)
            ending = await service.wait()
            nursery.cancel_scope.cancel()
        self._complain(f"service {ending}")
        backoff_max = self._assignment.run.restart_backoff_max
        if self._healthy_since is not None and self._clock.now() > after(self._healthy_since, backoff_max):
            self._failed_starts = 0
        self._service = self._healthy_since = None
        self._register()

    def _judge(self, answer: Answer) -> None:
        """Turn the answers of the probes into the word healthy or not; too few bad ones in a row are no word."""
        if answer.is_healthy:
            self._failed_probes = 0
            self._healthy_since = self._healthy_since or self._clock.now()
        else:
            self._failed_probes += 1
            if self._failed_probes < self._assignment.health.unhealthy_after:
                return
            self._healthy_since = None
        if not answer.is_healthy and not self._was_healthy and self._clock.now() < self._patience_ends:
            return  # it is starting: nobody expects an answer yet
        self._was_healthy = self._was_healthy or answer.is_healthy
        verdict = f"{'healthy' if answer.is_healthy else 'not healthy'}: {answer.words}"
        if verdict != self._verdict:
            if answer.is_healthy:
                self._log.say(verdict)
                self._trouble.want(None)
            else:
                self._complain(f"{self._assignment.service} is {verdict}")
        self._verdict = verdict
        self._register()

    def _complain(self, words: str, report: tuple[str, ...] = ()) -> None:
        """Say what keeps the instance out of traffic, in the log and to the operator."""
        self._log.say(words)
        identity = self._site.identity
        trouble = Trouble(server=identity.server, nonce=identity.nonce, words=words, report=report)
        self._trouble.want(write(trouble))

    def _register(self) -> None:
        """Want the registration that is true now."""
        if self._service is None or self._healthy_since is None:
            self._registration.want(None)
            return
        registration = Registration(
            service=self._assignment.service,
            instance=self._assignment.server,
            version=self._assignment.version,
            address=self._site.identity.address,
            port=self._assignment.port,
            status=InstanceStatus.DRAINING if self._is_draining else InstanceStatus.UP,
            server=self._assignment.server,
            nonce=self._assignment.nonce,
            slot=self._assignment.slot,
            boot=self._service.boot,
            document=self._assignment.document,
        )
        self._registration.want(write_registration(registration, self._healthy_since))

    async def _pause(self) -> None:
        """Wait before the next start: doubled by each failure in a row, with jitter, within the bound."""
        run = self._assignment.run
        span = min(run.restart_backoff << min(self._failed_starts, 30), run.restart_backoff_max)
        self._failed_starts += 1
        span = Duration(round(span * (0.75 + self._entropy.uniform() / 2)))
        self._log.say(f"next start in {format_duration(span)}")
        await trio.sleep(to_seconds(span))
