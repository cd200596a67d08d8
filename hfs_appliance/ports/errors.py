"""Errors of every port, named by what the reconcile loop must do about them.

No adapter lets an SDK's exception through; none retries a mutation by itself. The loop is the retry.
"""

from __future__ import annotations

from hfs_appliance.model.instants import Instant
from hfs_appliance.model.leadership import Leader


class PortError(Exception):
    """Something outside did not do what was asked. `words` is for the operator and says where and what."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Transient(PortError):
    """Nothing happened; ask again in a later cycle."""


class Exhausted(PortError):
    """Quota or rate refused it; `until` is when asking again makes sense, None when nobody knows."""

    def __init__(self, words: str, until: Instant | None = None) -> None:
        super().__init__(words)
        self.until = until


class Conflict(PortError):
    """The state was not as expected (version, existence, busy): observe again before deciding again."""

    def __init__(self, words: str, path: str = "") -> None:
        super().__init__(words)
        self.path = path
        """Entry of the operation of a transaction that failed; empty when it was none."""


class Fenced(PortError):
    """Somebody else leads, or the session is gone: stop acting."""


class Standby(PortError):
    """This appliance does not lead the environment and changes nothing; `leader` is the one to ask."""

    def __init__(self, words: str, leader: Leader | None) -> None:
        super().__init__(words)
        self.leader = leader


class Rejected(PortError):
    """The request itself is wrong; repeating it will not help."""


class Unconfirmed(PortError):
    """It would remove so much that it must be confirmed; `hash` is that of the plan, empty when there is none."""

    def __init__(self, words: str, hash: str = "") -> None:  # noqa: A002  # as the plan's report calls it
        super().__init__(words)
        self.hash = hash


class Missing(PortError):
    """The thing is not there (any more)."""

    def __init__(self, words: str, project: str = "") -> None:
        super().__init__(words)
        self.project = project
        """Of a server: the project in which it was looked for, where a cloud has several; empty when it has not."""


class Ambiguous(PortError):
    """It may or may not have happened: look before you repeat."""


class Unsupported(PortError):
    """This backend cannot do that."""


class UnknownName(Exception):
    """No server or service of that name; `suggestion` is the nearest one known, if any."""

    def __init__(self, kind: str, name: str, suggestion: str | None) -> None:
        hint = f"; did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"no {kind} is called {name!r}{hint}")
        self.suggestion = suggestion
