"""Router: which function of a service answers a request, and what a service is to the cloud that it is part of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeAlias

from sim.wire.openstack.http import Request, Response

Answer: TypeAlias = Callable[..., Response]
"""Gets the request, and by their names the parts of the path that stand in braces. Errors: ApiError."""

Route: TypeAlias = tuple[str, str, Answer]
"""Method, path below the service (`/servers/{server}/action`), and who answers."""


class ApiError(Exception):
    """A service refuses a request."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status: Final = status
        self.message: Final = message
        self.headers: Final = headers or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Microversions:
    """Which versions of its API a service speaks, and how it calls itself when it negotiates them."""

    service: str
    least: tuple[int, int]
    most: tuple[int, int]

    def chosen(self, request: Request) -> tuple[int, int]:
        """Give the version that a request asks for; the oldest when it asks for none. Errors: ApiError."""
        service, _, text = request.headers.get("openstack-api-version", "").partition(" ")
        if service != self.service:
            return self.least
        if text == "latest":
            return self.most
        found = re.fullmatch(r"(\d+)\.(\d+)", text)
        if found is None:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"API Version String '{text}' is of invalid format.")
        asked = (int(found[1]), int(found[2]))
        if not self.least <= asked <= self.most:
            least, most = (".".join(map(str, version)) for version in (self.least, self.most))
            words = f"Version {text} is not supported by the API. Minimum is {least} and maximum is {most}."
            raise ApiError(HTTPStatus.NOT_ACCEPTABLE, words)
        return asked


class Service(Protocol):
    """One OpenStack service."""

    type: str
    """As the catalogue names it: `compute`."""
    prefix: str
    """Where all of it lies: `/compute`."""
    root: str
    """What the catalogue says of it, below the prefix: `/v2.1`."""
    version: Mapping[str, str]
    """The one version of its API that it speaks, as its version document tells it; `id` is `v2.1`."""
    needs_token: bool
    routes: Sequence[Route]

    def refusal(self, error: ApiError) -> Any:
        """Give the body of a refusal, in the service's own shape."""
        ...


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes: Final = [
            (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?"), answer)
            for method, path, answer in routes
        ]

    def answer(self, request: Request, path: str) -> Response:
        """Let whoever is there for a path answer. Errors: ApiError."""
        methods = []
        for method, pattern, answer in self._routes:
            found = pattern.fullmatch(path)
            if found is not None and method == request.method:
                return answer(request, **found.groupdict())
            methods += [method] if found is not None else []
        if methods:
            raise ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed for this resource.")
        raise ApiError(HTTPStatus.NOT_FOUND, "The resource could not be found.")


def versions(service: Service, request: Request, path: str) -> Response | None:
    """Answer who asks, without a token, which versions a service speaks; None: that is not what was asked for."""
    if request.method != "GET" or path.strip("/") not in ("", own_path(service)):
        return None
    href = f"http://{request.host}{service.prefix}/{own_path(service)}/"
    shown = {"status": "CURRENT", **service.version, "links": [{"rel": "self", "href": href}]}
    if path.strip("/"):
        return Response(body={"version": shown})
    if service.type == "identity":  # the only one that wraps them
        return Response(status=HTTPStatus.MULTIPLE_CHOICES, body={"versions": {"values": [shown]}})
    return Response(body={"versions": [shown]})


def own_path(service: Service) -> str:
    """Give the path, below its prefix, of the version that a service speaks."""
    return service.root.strip("/") or service.version["id"]


def document(request: Request) -> Mapping[str, Any]:
    """Give the object in the body of a request. Errors: ApiError."""
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(HTTPStatus.BAD_REQUEST, "Malformed request body")
    return body


def content(request: Request, key: str) -> Any:
    """Give what the body of a request holds under a key. Errors: ApiError."""
    body = document(request)
    if key not in body:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"Invalid input: {key!r} is a required property")
    return body[key]
