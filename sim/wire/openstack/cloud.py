"""The fake cloud: lets each request through time, faults and the token check to the service that it is for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import trio

from hfs_appliance.model.instants import SECOND, Duration, Instant, seconds, to_seconds
from sim.datacentre import Datacentre
from sim.machine import Birth, Pace
from sim.streams import Streams, Table
from sim.wire.openstack.http import Ending, Request, Response
from sim.wire.openstack.mishaps import Mishap, Mishaps, spoil
from sim.wire.openstack.router import ApiError, Router, Service, versions
from sim.wire.openstack.timeline import Timeline

QUICK: Final = Pace(
    api=Table.of_ms((0, 0), (1000, 0)),
    building=Table.of_ms((0, 30), (1000, 60)),
    deleting=Table.of_ms((0, 20), (1000, 40)),
)
"""As quick as tests want it."""

_LOGIN: Final = "/auth/tokens"
_IDLE_LOOK: Final = seconds(0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a client shows with every request."""

    project: str
    expires_at: Instant
    epoch: int
    """Tokens of an earlier epoch are not good any more (`CloudFaults.token`)."""


def nobody(_machine: object) -> None:
    """Let nothing run on a machine."""


class FakeCloud:
    """One cloud with its services; several clients may use it."""

    def __init__(
        self,
        *,
        pace: Pace = QUICK,
        birth: Birth = nobody,
        seed: int = 1,
        now: Callable[[], int] = time.time_ns,
        token_life: Duration = seconds(3600),
    ) -> None:
        self._clock: Final = now
        self._ahead = 0
        self.timeline: Final = Timeline(Instant(now()))
        self.datacentre: Final = Datacentre(self.timeline, Streams(seed).named("openstack"), birth, pace=pace)
        self.faults: Final = self.datacentre.faults
        self.mishaps: Final = Mishaps()
        self.tokens: Final[dict[str, Token]] = {}
        self.token_life = token_life
        self.calls: Final[list[tuple[str, str]]] = []
        """Method and path of every request so far."""
        self.services: Final[dict[str, Service]] = {}
        self._routers: Final[dict[str, Router]] = {}

    def join(self, service: Service) -> None:
        """Make a service part of the cloud and of its catalogue."""
        self.services[service.prefix] = service
        self._routers[service.prefix] = Router(service.routes)

    def look(self) -> None:
        """Let everything happen that is due by now."""
        self.timeline.play_until(Instant(self._clock() + self._ahead))

    def skip(self, span: int) -> None:
        """Let a span pass at once."""
        self._ahead += span
        self.look()

    async def run(self) -> None:
        """Let things happen in time though nobody asks, until cancelled: for clouds on which something really runs."""
        while True:
            self.look()
            due = self.timeline.next_at()
            wait = _IDLE_LOOK if due is None else min(_IDLE_LOOK, Duration(max(0, due - self._clock() - self._ahead)))
            await trio.sleep(to_seconds(wait))

    def token_of(self, request: Request) -> Token:
        """Give the token that a request shows. Errors: ApiError."""
        token = self.tokens.get(request.headers.get("x-auth-token", ""))
        if token is None or token.epoch != self.faults.token or token.expires_at <= self.timeline.now():
            raise ApiError(HTTPStatus.UNAUTHORIZED, "The request you have made requires authentication.")
        return token

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        self.calls.append((request.method, request.path))
        delay = self.datacentre.stream.draw(self.datacentre.pace.api) * self.faults.slowness
        if delay:
            await trio.sleep(delay / SECOND)
        self.look()
        mishap = self.mishaps.strike(request) or self._weather(request)
        if mishap is None:
            return self._carry_out(request)
        response = self._carry_out(request) if mishap.is_late else Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return spoil(response, mishap)

    def _weather(self, request: Request) -> Mishap | None:
        faults, stream = self.faults, self.datacentre.stream
        if faults.hangs:
            return Mishap(ending=Ending.SILENCE)
        if faults.is_down:
            return Mishap(status=HTTPStatus.SERVICE_UNAVAILABLE, raw=b"<html>503 Service Unavailable</html>")
        if faults.denies_logins and request.path.endswith(_LOGIN):
            return Mishap(status=HTTPStatus.SERVICE_UNAVAILABLE)
        if faults.denies_credentials and not request.path.endswith("/v3"):  # versions are told to everybody
            return Mishap(status=HTTPStatus.UNAUTHORIZED)
        if stream.chance(faults.limited_calls):
            wait = faults.retry_after
            headers = {} if wait is None else {"retry-after": str(wait // SECOND)}
            return Mishap(status=HTTPStatus.TOO_MANY_REQUESTS, headers=headers)
        if stream.chance(faults.refused_calls):
            return Mishap(status=HTTPStatus.SERVICE_UNAVAILABLE)
        if stream.chance(faults.garbled_calls):
            return Mishap(status=HTTPStatus.OK, raw=b"<html>It works!</html>", is_late=True)
        return None

    def _carry_out(self, request: Request) -> Response:
        prefix = "/" + request.path.split("/", 2)[1]
        service = self.services.get(prefix)
        if service is None:
            return Response(status=HTTPStatus.NOT_FOUND, body={"error": {"message": "no such service"}})
        path = request.path.removeprefix(prefix) or "/"
        try:
            told = versions(service, request, path)
            if told is not None:
                return told
            if service.needs_token:
                self.token_of(request)
            return self._routers[prefix].answer(request, path)
        except ApiError as error:
            return Response(status=error.status, body=service.refusal(error), headers=error.headers)
