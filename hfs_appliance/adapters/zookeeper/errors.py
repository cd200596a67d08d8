"""kazoo's errors -> the port's: what the loop must do about them. No exception of kazoo gets past its callers."""

from __future__ import annotations

from typing import Final

from kazoo import exceptions as kazoo

from hfs_appliance.ports.errors import (
    Ambiguous,
    Conflict,
    Exhausted,
    Fenced,
    Missing,
    PortError,
    Rejected,
    Transient,
    Unsupported,
)

_ENDED: Final = (kazoo.SessionExpiredError, kazoo.AuthFailedError, kazoo.SessionClosedRequireSaslError)

_REFUSED: Final[tuple[tuple[type[Exception], type[PortError], str], ...]] = (
    (kazoo.NoNodeError, Missing, "it is not there"),
    (kazoo.NodeExistsError, Conflict, "it exists already"),
    (kazoo.BadVersionError, Conflict, "its version is another one"),
    (kazoo.NotEmptyError, Conflict, "it has children"),
    (kazoo.NoChildrenForEphemeralsError, Conflict, "its parent is ephemeral"),
    (kazoo.QuotaExceededError, Exhausted, "the quota of the registry is used up"),
    (kazoo.ThrottledOpError, Transient, "the server throttles us"),
    (kazoo.SessionMovedError, Transient, "the session moved to another server"),
    (kazoo.NotReadOnlyCallError, Transient, "the server is read-only now"),
    (kazoo.NoAuthError, Rejected, "its access list forbids it"),
    (kazoo.InvalidACLError, Rejected, "the access list is not valid"),
    (kazoo.BadArgumentsError, Rejected, "the server calls the request malformed"),
    (kazoo.MarshallingError, Rejected, "the server could not read the request"),
    (kazoo.UnimplementedError, Unsupported, "the server does not know this call (ZooKeeper 3.6 or later is needed)"),
)
"""The server said no, and that nothing happened."""


def is_answer(error: Exception) -> bool:
    """Tell whether an error is the server's word, and so vouches for the session."""
    return any(isinstance(error, refusal) for refusal, _, _ in _REFUSED)


def translate(error: Exception, what: str, *, is_write: bool) -> PortError:
    """Turn what kazoo raised for a call into the port's error; `what` names call and path."""
    if isinstance(error, _ENDED):
        return Fenced(f"{what}: the session has ended")
    for refusal, kind, words in _REFUSED:
        if isinstance(error, refusal):
            return kind(f"{what}: {words}")
    # Connection lost, time-outs, answers that nobody understands: what happened is unknown.
    unknown = Ambiguous if is_write else Transient
    return unknown(f"{what}: no usable answer came ({type(error).__name__})")
