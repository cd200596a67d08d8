"""The executable: hfs serves the file that it runs from to new servers, and the modules that Puppet needs on them.

An application and a listener of its own, not a route of the admin API: every server of the cloud reaches it, and
whoever reaches the admin API rules the environment.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from starlette.applications import Starlette
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from hfs_appliance.adapters.shelf import PATH as MODULES_PATH

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

PATH: Final = "/hfs"
PORT: Final = 8082
"""Where it listens unless the configuration says otherwise."""
_PIECE_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """One file, as it was when it was opened: an hfs that is put in its place is another one."""

    descriptor: int
    size: int
    sha256: str

    @property
    def etag(self) -> str:
        """Name the content, as HTTP does (RFC 9110, 8.8.3)."""
        return f'"{self.sha256}"'

    def close(self) -> None:
        """Read nothing any more."""
        os.close(self.descriptor)


def open_executable(path: Path) -> Executable:
    """Open a file, and read all of it to name its content. It blocks. Errors: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, "rb", closefd=False) as file:  # a Path cannot be opened by descriptor
        return Executable(
            descriptor=descriptor,
            size=os.fstat(descriptor).st_size,
            sha256=hashlib.file_digest(file, "sha256").hexdigest(),
        )


def build(executable: Executable | None, modules: Callable[[str], Path | None]) -> Starlette:
    """Make the ASGI application; `modules` finds an archive by its sha256."""

    async def give(request: Request) -> Response:
        if executable is None:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        headers = {"etag": executable.etag, "cache-control": "no-cache"}
        if _has_it(request.headers.get("if-none-match", ""), executable.etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        headers |= {"content-length": str(executable.size), "content-type": "application/octet-stream"}
        return Response(headers=headers) if request.method == "HEAD" else _Content(executable, headers)

    async def give_modules(request: Request) -> Response:
        file = modules(request.path_params["sha256"])
        return FileResponse(file) if file is not None else Response(status_code=HTTPStatus.NOT_FOUND)

    # HEAD comes with GET
    return Starlette(
        routes=[
            Route(PATH, give, methods=["GET"]),
            Route(f"{MODULES_PATH}/{{sha256}}", give_modules, methods=["GET"]),
        ]
    )


def _has_it(condition: str, etag: str) -> bool:
    """Tell whether a client has this content already."""
    return etag in (tag.strip().removeprefix("W/") for tag in condition.split(","))


class _Content(Response):
    """The file, piece by piece: hundreds of servers may fetch it at once."""

    def __init__(self, executable: Executable, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self._executable = executable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it; a file that somebody has cut short meanwhile ends early, and its client comes again."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sent = 0
        while piece := await trio.to_thread.run_sync(os.pread, self._executable.descriptor, _PIECE_BYTES, sent):
            sent += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
