"""The admin API's routes about rollouts and the history of the desired state."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from pydantic import with_config
from starlette.routing import Route

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.rollout import Order, Strategy
from hfs_appliance.web.bodies import STRICT, answer, read_body
from hfs_appliance.web.control import Control
from hfs_appliance.web.problems import BadRequest

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Upgrade:
    version: Version
    author: str
    strategy: Strategy | None = None


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    order: Order


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _RollBack:
    author: str


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Restore:
    author: str
    base_generation: Annotated[int, Ge(0)] | None = None
    confirm: str | None = None


def routes(control: Control, base: str) -> list[Route]:
    """Give the routes below `base`."""
    api = _Upgrades(control)
    service = f"{base}/services/{{service}}"
    return [
        Route(f"{base}/rollouts", api.rollouts, methods=["GET"]),
        Route(f"{service}/upgrade", api.upgrade, methods=["POST"]),
        Route(f"{service}/rollout", api.order, methods=["POST"]),
        Route(f"{service}/rollback", api.roll_back, methods=["POST"]),
        Route(f"{base}/history", api.history, methods=["GET"]),
        Route(f"{base}/history/{{before:int}}/{{after:int}}", api.difference, methods=["GET"]),
        Route(f"{base}/history/{{generation:int}}/restore", api.restore, methods=["POST"]),
    ]


class _Upgrades:
    def __init__(self, control: Control) -> None:
        self._control = control

    async def rollouts(self, _: Request) -> Response:
        """Tell of every service that has, or had, a rollout."""
        return answer(list(self._control.rollouts()))

    async def upgrade(self, request: Request) -> Response:
        """Have another version take over."""
        asked = await read_body(request, _Upgrade)
        applied = await self._control.upgrade(_service(request), asked.version, asked.strategy, asked.author)
        return answer(applied)

    async def order(self, request: Request) -> Response:
        """Ask something of the rollout that runs."""
        asked = await read_body(request, _Order)
        return answer(await self._control.order_rollout(_service(request), asked.order), HTTPStatus.ACCEPTED)

    async def roll_back(self, request: Request) -> Response:
        """Go back to the former versions."""
        asked = await read_body(request, _RollBack)
        return answer(await self._control.roll_back(_service(request), asked.author), HTTPStatus.ACCEPTED)

    async def history(self, _: Request) -> Response:
        """List the generations that are kept."""
        return answer(list(await self._control.history()))

    async def difference(self, request: Request) -> Response:
        """Tell what differs between two generations."""
        before, after = request.path_params["before"], request.path_params["after"]
        return answer(list(await self._control.difference(before, after)))

    async def restore(self, request: Request) -> Response:
        """Make a former generation the next one."""
        asked = await read_body(request, _Restore)
        generation = request.path_params["generation"]
        if generation < 1:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "generations begin with 1")
        applied = await self._control.restore(generation, asked.author, asked.base_generation, confirm=asked.confirm)
        return answer(applied)


def _service(request: Request) -> ServiceName:
    return ServiceName(request.path_params["service"])
