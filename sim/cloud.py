"""The Cloud port over the simulated datacentre: the API's latency, and what goes wrong with calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import trio

from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.instants import after
from hfs_appliance.model.observed import CloudServer, CloudView
from hfs_appliance.ports.cloud import Permit, ServerSpec, unconditional
from hfs_appliance.ports.errors import Ambiguous, Exhausted, Missing, PortError, Rejected, Transient
from sim.clock import Reply
from sim.datacentre import Datacentre
from sim.truth import ApiCalled, MutationSent

T = TypeVar("T")

MUTATIONS: Final = frozenset({"create", "delete", "kill"})


class SimCloud:
    """One client of the API; implements the port's Cloud."""

    def __init__(self, datacentre: Datacentre, environment: EnvironmentName, *, client: int = 0) -> None:
        self.client: Final = client
        """Number of the link by which the same process is connected to the registry."""
        self._datacentre: Final = datacentre
        self._environment: Final = environment
        self._is_severed = False
        self._token = datacentre.faults.token
        self.calls = 0
        self.refused = 0

    def sever(self) -> None:
        """End as kill -9 does: what was sent arrives, nothing else is sent."""
        self._is_severed = True

    async def servers(self) -> CloudView:
        """List every server."""
        return await self._call("list", None, self._datacentre.listing.view)

    async def server(self, server: ServerId) -> CloudServer:
        """Ask for one server. Errors: Missing."""
        return await self._call("get", server, lambda: self._datacentre.find(server).listed)

    async def create(self, spec: ServerSpec, *, permit: Permit = unconditional) -> CloudServer:
        """Ask for a server. Errors: Conflict, Ambiguous."""
        if spec.environment != self._environment:
            await trio.lowlevel.checkpoint()
            raise Rejected(f"server {spec.server} is meant for environment {spec.environment}, not {self._environment}")
        return await self._call("create", spec.server, lambda: self._datacentre.create(spec), permit)

    async def delete(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Ask for deletion. Errors: Missing."""
        await self._call("delete", server, lambda: self._datacentre.delete(server), permit)

    async def log(self, server: ServerId, lines: int) -> str:
        """Give the console's tail. Errors: Missing."""
        machine = await self._call("log", server, lambda: self._datacentre.find(server))
        return "\n".join([f"{machine.host}: {machine.listed.status}", machine.listed.fault][:lines])

    async def kill(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Power a server off. Errors: Missing."""
        await self._call("kill", server, lambda: self._datacentre.kill(server), permit)

    async def _call(
        self, call: str, server: ServerId | None, carry_out: Callable[[], T], permit: Permit = unconditional
    ) -> T:
        """Send a call and wait for its answer; a call that was sent is carried out though nobody waits any more."""
        await trio.lowlevel.checkpoint()
        permit()
        if call in MUTATIONS and not self._is_severed:
            self._datacentre.truth.tell(MutationSent(client=self.client, call=call, server=server))
        datacentre, clock = self._datacentre, self._datacentre.clock
        reply: Reply[T] = Reply()
        self.calls += 1
        told = partial(ApiCalled, call=call, server=server, asked_at=clock.now())

        def latency() -> int:
            return datacentre.stream.draw(datacentre.pace.api) * datacentre.faults.slowness

        def arrive() -> None:
            if datacentre.faults.hangs:
                datacentre.truth.tell(told(refusal="silence"))
                return
            try:
                self._demand_well(call)
                value = carry_out()
                self._demand_sense(call)
            except PortError as error:
                self.refused += 1
                failure = error
                datacentre.truth.tell(told(refusal=type(error).__name__))
                clock.after(latency(), lambda: reply.fail(failure))
            else:
                is_whole = not isinstance(value, CloudView) or value.is_complete
                datacentre.truth.tell(told(is_whole=is_whole))
                clock.after(latency(), lambda: reply.give(value))

        if not self._is_severed:
            clock.after(latency(), arrive)
        return await reply.wait()

    def _demand_well(self, call: str) -> None:
        """Refuse a call before anything is done. Errors: Transient, Rejected, Exhausted, Missing."""
        datacentre = self._datacentre
        faults, stream = datacentre.faults, datacentre.stream
        if faults.is_down:
            raise Transient("the cloud's API does not answer: 503")
        if faults.denies_credentials:
            raise Rejected("the cloud refuses our credentials: 401")
        if self._token != faults.token:
            if not faults.denies_logins:
                self._token = faults.token
            raise Transient("our token is not good any more: 401")
        if stream.chance(faults.limited_calls):
            wait = faults.retry_after
            raise Exhausted("too many requests: 429", after(datacentre.clock.now(), wait) if wait is not None else None)
        if stream.chance(faults.refused_calls):
            raise Transient("the cloud's API is busy: 503")
        if faults.is_other_project and call == "create":
            raise Rejected("the image is not known in project other: 400")
        if faults.is_other_project and call != "list":
            raise Missing("no such server in project other: 404", project="other")

    def _demand_sense(self, call: str) -> None:
        """Garble the answer to a call that was carried out. Errors: Transient, Ambiguous."""
        if self._datacentre.stream.chance(self._datacentre.faults.garbled_calls):
            is_read = call in ("list", "get", "log")
            raise (Transient if is_read else Ambiguous)("200 with a page of HTML in place of JSON")
