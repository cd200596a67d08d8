"""The admin API: routes over a Control. Reports become JSON field by field; errors become problems (problems.py).

Routes hold no state and decide nothing. What changes the environment takes a small JSON object, checked as strictly as
the configuration file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final

from annotated_types import Ge
from pydantic import with_config
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import seconds
from hfs_appliance.telemetry.metrics import CONTENT_TYPE
from hfs_appliance.web import upgrades
from hfs_appliance.web.bodies import STRICT, answer, read_body
from hfs_appliance.web.border import Border
from hfs_appliance.web.control import Control
from hfs_appliance.web.listener import serve
from hfs_appliance.web.problems import HANDLERS, BadRequest
from hfs_appliance.web.stream import EventStream

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["build", "serve"]

BASE: Final = "/api/v1"


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Nothing:
    """Body of requests that need no words."""


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    source: str
    file: str


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _NewDesired:
    source: str
    file: str
    author: str
    base_generation: int | None = None
    confirm: str | None = None


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Author:
    author: str


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    instances: Annotated[int, Ge(0)]
    author: str
    version: Version | None = None
    confirm: str | None = None


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Hold:
    reason: str
    author: str
    lasts_s: Annotated[int, Ge(1)] | None = None


def build(control: Control, metrics: Callable[[], bytes]) -> Starlette:
    """Make the ASGI application; `metrics` writes the Prometheus text."""
    api = _Api(control, metrics)
    get, put, post = ["GET"], ["PUT"], ["POST"]
    routes = [
        Route("/", api.index, methods=get),
        Route("/healthz", api.healthz, methods=get),
        Route("/metrics", api.metrics, methods=get),
        Route(f"{BASE}/status", api.status, methods=get),
        Route(f"{BASE}/servers", api.servers, methods=get),
        Route(f"{BASE}/explain", api.explain, methods=get),
        Route(f"{BASE}/servers/{{server}}/kill", api.kill, methods=post),
        Route(f"{BASE}/desired", api.desired, methods=get),
        Route(f"{BASE}/desired", api.apply, methods=put),
        Route(f"{BASE}/plan", api.outlook, methods=get),
        Route(f"{BASE}/plan", api.plan, methods=post),
        Route(f"{BASE}/services/{{service}}/scale", api.scale, methods=post),
        Route(f"{BASE}/events", api.events, methods=get),
        Route(f"{BASE}/handover", api.hand_over, methods=post),
        Route(f"{BASE}/adopt", api.adopt, methods=post),
        Route(f"{BASE}/holds", api.holds, methods=get),
        Route(f"{BASE}/holds/{{target:path}}/hold", api.hold, methods=post),
        Route(f"{BASE}/holds/{{target:path}}/release", api.release, methods=post),
        Route(f"{BASE}/holds/{{target:path}}/approve", api.approve, methods=post),
        Route(f"{BASE}/down", api.down, methods=post),
        *upgrades.routes(control, BASE),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Border)], exception_handlers=HANDLERS)


class _Api:
    def __init__(self, control: Control, metrics: Callable[[], bytes]) -> None:
        self._control = control
        self._metrics = metrics

    async def index(self, request: Request) -> Response:
        """List the routes: what a newcomer sees who opens the address."""
        routes = [
            f"{method} {route.path}" for route in request.app.routes for method in sorted(route.methods - {"HEAD"})
        ]
        return answer({"title": "hfs admin API", "routes": routes})

    async def healthz(self, _: Request) -> Response:
        """Answer: the appliance is alive (whether the environment is well is the business of /status)."""
        return answer({"alive": True})

    async def metrics(self, _: Request) -> Response:
        """Give the metrics in Prometheus' text format."""
        return Response(self._metrics(), media_type=CONTENT_TYPE)

    async def status(self, _: Request) -> Response:
        """Tell how the environment stands."""
        return answer(self._control.status())

    async def servers(self, _: Request) -> Response:
        """List the servers."""
        return answer(list(self._control.servers()))

    async def explain(self, request: Request) -> Response:
        """Tell all about one server, service or path."""
        target = request.query_params.get("target", "")
        if not target:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "`target` is a server, a service, or a path of the endpoint")
        return answer(await self._control.explain(target))

    async def kill(self, request: Request) -> Response:
        """Break a server."""
        await read_body(request, _Nothing)
        await self._control.kill(ServerId(request.path_params["server"]))
        return answer({}, HTTPStatus.ACCEPTED)

    async def desired(self, _: Request) -> Response:
        """Give the source in force."""
        generation, source = await self._control.desired_source()
        return answer({"generation": generation, "source": source})

    async def outlook(self, _: Request) -> Response:
        """Tell what will be done by itself."""
        return answer(await self._control.plan(None, ""))

    async def plan(self, request: Request) -> Response:
        """Tell what a source would change and do."""
        wanted = await read_body(request, _Source)
        return answer(await self._control.plan(wanted.source, wanted.file))

    async def apply(self, request: Request) -> Response:
        """Store a source as the next generation."""
        wanted = await read_body(request, _NewDesired)
        applied = await self._control.apply(
            wanted.source, wanted.file, wanted.author, wanted.base_generation, confirm=wanted.confirm
        )
        return answer(applied)

    async def scale(self, request: Request) -> Response:
        """Store another count."""
        wanted = await read_body(request, _Scale)
        service = ServiceName(request.path_params["service"])
        scaled = await self._control.scale(
            service, wanted.version, wanted.instances, wanted.author, confirm=wanted.confirm
        )
        return answer(scaled)

    async def events(self, request: Request) -> Response:
        """Stream events as NDJSON."""
        after = request.query_params.get("after", "0")
        follow = request.query_params.get("follow", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 19) or follow not in {"0", "1"}:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "`after` is the number of an event, `follow` is 0 or 1")
        return EventStream(self._control, int(after), is_following=follow == "1", shutdown=request.state.shutdown)

    async def hand_over(self, request: Request) -> Response:
        """Have another appliance lead."""
        await read_body(request, _Nothing)
        return answer(await self._control.hand_over())

    async def adopt(self, request: Request) -> Response:
        """Take over the fleet that the cloud lists."""
        asked = await read_body(request, _Author)
        return answer(await self._control.adopt(asked.author))

    async def holds(self, _: Request) -> Response:
        """Tell what is withheld, and what can be done about it."""
        return answer(list(self._control.holds()))

    async def hold(self, request: Request) -> Response:
        """Have nothing of a scope taken away."""
        asked = await read_body(request, _Hold)
        lasts = seconds(asked.lasts_s) if asked.lasts_s is not None else None
        scope = await self._control.hold(request.path_params["target"], asked.reason, asked.author, lasts)
        return answer({"scope": scope})

    async def release(self, request: Request) -> Response:
        """End a hold."""
        await read_body(request, _Nothing)
        return answer({"scope": await self._control.release(request.path_params["target"])})

    async def approve(self, request: Request) -> Response:
        """Have done what guards hold back in a scope."""
        asked = await read_body(request, _Author)
        return answer(list(await self._control.approve(request.path_params["target"], asked.author)))

    async def down(self, request: Request) -> Response:
        """Retire everything."""
        await read_body(request, _Nothing)
        await self._control.down()
        return answer({}, HTTPStatus.ACCEPTED)
