"""Border: what a request must be before any route sees it.

The admin API has no passwords on loopback; so a web page in the operator's browser must not reach it. Two doors are
shut: DNS rebinding (a foreign name that resolves to 127.0.0.1: the Host is foreign) and cross-site requests (the Origin
is foreign, or a form without preflight: the content type is not JSON).
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from hfs_appliance.web.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Border:
    """ASGI middleware that refuses with a problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] == "http" and (refusal := _refusal(scope)) is not None:
            status, words = refusal
            await problem(status, "refused", words)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(scope: Scope) -> tuple[HTTPStatus, str] | None:
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    server = scope.get("server")
    if server is not None and _is_loopback(server[0]) and not _is_loopback(_hostname(f"//{host}")):
        return HTTPStatus.MISDIRECTED_REQUEST, f"this listener is for this machine; its name is not {host!r}"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return HTTPStatus.FORBIDDEN, f"requests of pages from {origin!r} are refused"
    if scope["method"] not in _READING and headers.get("content-type", "").partition(";")[0] != "application/json":
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "requests that change something need Content-Type: application/json"
    return None


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
