"""What an answer of the cloud's API means for the loop: a port error. Pure.

The question behind each row: may it have happened? A mutation that was answered with 5xx, or not at all, may have been
committed (OS2, OS3 in docs/openstack.md): Ambiguous. A refusal is a refusal, whatever it is for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Missing, PortError, Rejected, Transient

RETRY_AFTER_MAX: Final = seconds(60)
"""OS17: a gateway may say an hour; nobody is believed for longer than this."""

_WORDS_MAX: Final = 300
_QUOTA: Final = ("quota", "maximum number of ports")


def refusal(
    what: str, status: int, headers: Mapping[str, str], content: bytes, *, is_mutation: bool, now: Instant
) -> PortError:
    """Give the error of an answer that is no success; `what` is the call, in words."""
    words = f"{what}: {status}, {said(content) or phrase(status)}"
    if status == HTTPStatus.TOO_MANY_REQUESTS or (
        status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and _says_when(headers)
    ):
        return Exhausted(words, after(now, retry_after(headers) or seconds(1)))
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE) and is_about_quota(words):
        return Exhausted(words)
    if status == HTTPStatus.NOT_FOUND:
        return Missing(words)
    if status == HTTPStatus.CONFLICT:
        # Neutron has said 409 for a quota from its beginning, nova for ports that it could not have.
        return Exhausted(words) if is_about_quota(words) else Conflict(words)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_TIMEOUT):
        return Transient(words)  # refused at the door, before anything was done; the next call logs in again
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Rejected(words)
    return Ambiguous(words) if is_mutation else Transient(words)


def garbled(what: str, *, is_mutation: bool) -> PortError:
    """Give the error of an answer that is no JSON: a proxy's page, half a body."""
    words = f"{what}: the answer is not what the API promises"
    return Ambiguous(words) if is_mutation else Transient(words)


def retry_after(headers: Mapping[str, str]) -> Duration | None:
    """Give how long the cloud asks to be left alone, within reason; None when it does not say."""
    for name, value in headers.items():
        if name.lower() == "retry-after" and value.strip().isdecimal():
            return min(seconds(int(value)), RETRY_AFTER_MAX)
    return None


def _says_when(headers: Mapping[str, str]) -> bool:
    return retry_after(headers) is not None


def is_about_quota(words: str) -> bool:
    """Tell whether a refusal is for a quota: 403 is for missing rights, too."""
    return "exceed" in words.lower() or is_for_quota(words)


def is_for_quota(fault: str) -> bool:
    """Tell whether a build failed for a quota: what exceeds anything else, as the number of retries, is no weather."""
    return any(word in fault.lower() for word in _QUOTA)


def said(content: bytes) -> str:
    """Give the message in an answer's body; each service wraps it in its own way."""
    try:
        body = json.loads(content)
    except ValueError:
        return ""
    return _message(body)[:_WORDS_MAX]


def _message(body: Any) -> str:
    """Find the first text that is called `message` or `faultstring`."""
    if not isinstance(body, dict):
        return ""
    for key in ("message", "faultstring"):
        if isinstance(body.get(key), str):
            return str(body[key]).strip()
    return next(filter(None, map(_message, body.values())), "")


def phrase(status: int) -> str:
    """Give the standard words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no status of HTTP"
