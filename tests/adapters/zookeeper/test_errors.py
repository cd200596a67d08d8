"""Every error that kazoo can give has its place among the port's."""

from __future__ import annotations

import pytest
from kazoo import exceptions
from kazoo.handlers.threading import KazooTimeoutError

from hfs_appliance.adapters.zookeeper.errors import is_answer, translate
from hfs_appliance.ports.errors import Ambiguous, Conflict, Fenced, Missing, PortError, Rejected, Transient

KNOWN = [kind for _, kind in sorted(exceptions.EXCEPTIONS.items())]


@pytest.mark.parametrize("kind", [*KNOWN, KazooTimeoutError, RuntimeError], ids=lambda kind: kind.__name__)
def test_nothing_of_kazoo_gets_out(kind: type[Exception]) -> None:
    for is_write in (True, False):
        failure = translate(kind(), "get /a", is_write=is_write)
        assert isinstance(failure, PortError)
        assert failure.words.startswith("get /a: ")


@pytest.mark.parametrize(
    ("kind", "on_read", "on_write"),
    [
        (exceptions.ConnectionLoss, Transient, Ambiguous),
        (exceptions.OperationTimeoutError, Transient, Ambiguous),
        (KazooTimeoutError, Transient, Ambiguous),
        (RuntimeError, Transient, Ambiguous),
        (exceptions.ThrottledOpError, Transient, Transient),
        (exceptions.SessionExpiredError, Fenced, Fenced),
        (exceptions.ConnectionClosedError, Fenced, Fenced),
        (exceptions.NoNodeError, Missing, Missing),
        (exceptions.NodeExistsError, Conflict, Conflict),
        (exceptions.NoAuthError, Rejected, Rejected),
    ],
    ids=lambda kind: kind.__name__,
)
def test_errors_say_what_the_loop_must_do(
    kind: type[Exception], on_read: type[PortError], on_write: type[PortError]
) -> None:
    assert type(translate(kind(), "", is_write=False)) is on_read
    assert type(translate(kind(), "", is_write=True)) is on_write


def test_only_the_servers_own_words_vouch_for_the_session() -> None:
    assert is_answer(exceptions.NoNodeError())
    assert not is_answer(exceptions.ConnectionLoss())
    assert not is_answer(exceptions.SessionExpiredError())
    assert not is_answer(RuntimeError())
