"""Bodies of the admin API: reports become JSON, and what is sent is read as strictly as the configuration file."""

from __future__ import annotations

from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from hfs_appliance.web.problems import BadRequest

if TYPE_CHECKING:
    from starlette.requests import Request

STRICT: Final = ConfigDict(extra="forbid", strict=True)
_MAX_BODY_BYTES: Final = 1 << 20
"""A source must fit into one registry entry anyway."""
_BODY_WITHIN_S: Final = 30.0
_Body = TypeVar("_Body")


def answer(content: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Write a report; `fallback` turns read-only mappings into objects."""
    body = to_json(content, fallback=dict)
    return Response(body, status, media_type="application/json", headers={"cache-control": "no-store"})


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Read and check the body. Errors: BadRequest."""
    body = bytearray()
    size = 0
    with trio.move_on_after(_BODY_WITHIN_S) as reading:
        async with aclosing(request.stream()) as parts:
            async for part in parts:
                size += len(part)
                if size <= _MAX_BODY_BYTES:
                    body += part  # what is too long is read to its end all the same: the client must hear the answer
    if reading.cancelled_caught:
        raise BadRequest(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {_BODY_WITHIN_S:.0f} s")
    if size > _MAX_BODY_BYTES:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {_MAX_BODY_BYTES} bytes")
    try:
        return TypeAdapter(kind).validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRequest(
            HTTPStatus.BAD_REQUEST, f"the body is not as it should be: {place or 'body'}: {first['msg']}"
        ) from error
