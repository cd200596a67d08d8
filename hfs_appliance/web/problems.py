"""Problems: what goes wrong in the admin API, as application/problem+json (RFC 9457).

`kind` is for machines (the error's class), `detail` for people. Only here errors become status codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from hfs_appliance.config.mistakes import ConfigError
from hfs_appliance.ports import errors
from hfs_appliance.ports.errors import UnknownName

if TYPE_CHECKING:
    from starlette.requests import Request

_PORT_STATUS: Final[Mapping[type[errors.PortError], HTTPStatus]] = {
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Fenced: HTTPStatus.CONFLICT,
    errors.Standby: HTTPStatus.CONFLICT,
    errors.Rejected: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unconfirmed: HTTPStatus.PRECONDITION_REQUIRED,
    errors.Missing: HTTPStatus.NOT_FOUND,
    errors.Unsupported: HTTPStatus.NOT_IMPLEMENTED,
    errors.Exhausted: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Transient: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Ambiguous: HTTPStatus.SERVICE_UNAVAILABLE,
}


class BadRequest(Exception):  # named for what the client did
    """The request itself is not acceptable; `status` says in which way."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def problem(status: HTTPStatus, kind: str, detail: str, **more: Any) -> Response:
    """Write a problem document."""
    content = {"type": f"urn:hfs:problem:{kind}", "title": status.phrase, "status": status, "kind": kind}
    return JSONResponse(
        content | {"detail": detail} | more,
        status_code=status,
        media_type="application/problem+json",
        headers={"cache-control": "no-store"},
    )


def _bad_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return problem(error.status, "bad-request", error.words)


def _port_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.PortError)
    status = _PORT_STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    more: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, errors.Standby):
        more = {"leader": error.leader and asdict(error.leader)}
        if error.leader is None:  # nothing was changed, and somebody leads in a moment
            status, headers = HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "1"}
    elif isinstance(error, errors.Unconfirmed):
        more = {"hash": error.hash}
    response = problem(status, type(error).__name__.lower(), error.words, **more)
    response.headers.update(headers)
    return response


def _unknown_name(_: Request, error: Exception) -> Response:
    assert isinstance(error, UnknownName)
    return problem(HTTPStatus.NOT_FOUND, "unknown-name", str(error), suggestion=error.suggestion)


def _config_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ConfigError)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "config", str(error), mistakes=error.as_json())


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = problem(HTTPStatus(error.status_code), "http", f"{error.detail}: {request.method} {request.url.path}")
    response.headers.update(error.headers or {})
    return response


def _bug(request: Request, error: Exception) -> Response:
    """Tell the client where it failed; the listener logs the traceback."""
    detail = f"{request.method} {request.url.path} failed in hfs itself: {type(error).__name__}: {error}"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", detail)


HANDLERS: Final = {
    BadRequest: _bad_request,
    errors.PortError: _port_error,
    UnknownName: _unknown_name,
    ConfigError: _config_error,
    HTTPException: _http_error,
    Exception: _bug,
}
