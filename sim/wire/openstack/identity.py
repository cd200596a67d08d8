"""Identity (Keystone v3): passwords for tokens, and the catalogue of what there is."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

from hfs_appliance.model.instants import SECOND, Instant, after
from sim.wire.openstack.cloud import FakeCloud, Token
from sim.wire.openstack.http import Request, Response
from sim.wire.openstack.router import ApiError, Route, content

USER: Final = "hfs"
PASSWORD: Final = "secret"  # noqa: S105  # of a cloud on loopback in which nothing is worth anything
PROJECT: Final = "demo"
REGION: Final = "RegionOne"


def project_id(name: str) -> str:
    """Give the id of a project: it follows from its name, so that a cloud begun anew is the same one."""
    return uuid5(NAMESPACE_DNS, name).hex


class Identity:
    """Implements Service."""

    type = "identity"
    prefix = "/identity"
    root = "/v3"
    version: Mapping[str, str] = {"id": "v3.14", "status": "stable"}
    needs_token = False

    def __init__(self, cloud: FakeCloud, projects: Sequence[str] = (PROJECT,)) -> None:
        self._cloud: Final = cloud
        self._projects: Final = {name: project_id(name) for name in projects}
        self.routes: Sequence[Route] = (("POST", "/v3/auth/tokens", self._log_in),)

    def refusal(self, error: ApiError) -> Any:
        """Give the body of a refusal."""
        return {"error": {"code": error.status, "title": HTTPStatus(error.status).phrase, "message": error.message}}

    def _log_in(self, request: Request) -> Response:
        asked = content(request, "auth")
        try:
            user = asked["identity"]["password"]["user"]
            project = asked["scope"]["project"]
            name, password, wanted = user["name"], user["password"], project.get("name")
        except (KeyError, TypeError):
            raise ApiError(HTTPStatus.BAD_REQUEST, "a password of a named user and a project are expected") from None
        if (name, password) != (USER, PASSWORD) or wanted not in self._projects:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "The request you have made requires authentication.")
        cloud = self._cloud
        now = cloud.timeline.now()
        token = Token(project=self._projects[wanted], expires_at=after(now, cloud.token_life), epoch=cloud.faults.token)
        secret = secrets.token_urlsafe(24)
        cloud.tokens[secret] = token
        body = {
            "token": {
                "methods": ["password"],
                "user": {"id": "u1", "name": USER, "domain": {"id": "default", "name": "Default"}},
                "project": {"id": token.project, "name": wanted, "domain": {"id": "default", "name": "Default"}},
                "roles": [{"id": "r1", "name": "member"}],
                "issued_at": _isotime(now),
                "expires_at": _isotime(token.expires_at),
                "catalog": self._catalogue(request.host),
            }
        }
        return Response(status=HTTPStatus.CREATED, body=body, headers={"x-subject-token": secret})

    def _catalogue(self, host: str) -> list[Mapping[str, Any]]:
        return [
            {
                "id": service.type,
                "type": service.type,
                "name": service.type,
                "endpoints": [
                    {
                        "id": f"{service.type}-{interface}",
                        "interface": interface,
                        "region": REGION,
                        "region_id": REGION,
                        "url": f"http://{host}{service.prefix}{service.root}",
                    }
                    for interface in ("public", "internal")
                ],
            }
            for service in self._cloud.services.values()
        ]


def _isotime(instant: Instant) -> str:
    return f"{datetime.fromtimestamp(instant // SECOND, tz=UTC):%Y-%m-%dT%H:%M:%S}.000000Z"
