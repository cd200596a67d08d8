"""The destruction budget: how many servers may still be taken away, whatever the cause.

One budget for the environment, and one for each service and for what has no role in a pool. A server that is taken
away costs a token of both; tokens lie in the ledger, which is written before the server is touched. A token is held
until its window has passed and, if the server is on its way out by then, until the cloud has confirmed that it is gone:
a cloud that does not delete is not asked for more. The drain of an instance and the deletion after it are one token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final, TypeVar

from hfs_appliance.model.guard import DestroyBudget
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Duration, Instant, after, format_duration
from hfs_appliance.model.ledger import Token
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Cause, Hold

T = TypeVar("T")

ENVIRONMENT: Final = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What one scope may spend."""

    limit: DestroyBudget
    servers: int
    """Of which the limit is a share."""


@dataclass(slots=True)
class Budget:
    """The tokens of one plan: those that are held already, and those that it takes."""

    now: Instant
    before: Mapping[ServerId, Token]
    is_leaving: Callable[[ServerId], bool]
    """Whether a server is on its way out, and not confirmed to be gone."""
    purse: Callable[[str], Purse]
    """Of a scope, `environment` among them."""
    granted: Mapping[str, int] = field(default_factory=dict)
    """Tokens beyond the limit that an operator has approved, by scope."""
    taken: dict[ServerId, Token] = field(default_factory=dict)
    refused: dict[str, Counter[Cause]] = field(default_factory=dict)
    """By the scope that had no token left."""
    _spent: dict[str, int] = field(default_factory=dict)
    _allowances: dict[str, int] = field(default_factory=dict)
    _before: Mapping[str, Mapping[ServerId, Token]] | None = None
    """The tokens of before by scope, once somebody has asked for those of one."""
    _purses: dict[str, Purse] = field(default_factory=dict)

    def take(self, server: ServerId, scope: str, cause: Cause) -> bool:
        """Take a token for a server of a scope, or tell that there is none.

        One that it has already is enough. When nothing has come of it yet (hfs was killed between the token and the
        deed), it counts anew from now: its window is that of the deed, or two windows' worth would go within one.
        """
        if not self.affords(server, scope, cause):
            return False
        if not self._is_paid(server):
            for place in self._unpaid(server, scope):
                self._spent[place] += 1
            self.taken[server] = Token(at=self.now, scope=scope, cause=cause.value)
        return True

    def affords(self, server: ServerId, scope: str, cause: Cause) -> bool:
        """Tell whether there is a token for a server of a scope; count it as refused when there is none."""
        if self._is_paid(server):
            return True
        for place in self._unpaid(server, scope):
            if self._left(place) <= 0:
                self.refused.setdefault(place, Counter())[cause] += 1
                return False
        return True

    def renew(self, server: ServerId, scope: str, cause: Cause) -> bool:
        """Take a token for a deletion that is asked for again: the window that counts is that of what is done last."""
        token = self.before.get(server)
        if token is None or not self._counts(server, token, ENVIRONMENT):
            return self.take(server, scope, cause)
        self.taken[server] = replace(token, at=self.now)
        return True

    def forbids(self, cause: Cause, amount: int) -> bool:
        """Tell, and count, whether so many servers without a token must stay as the environment has none left."""
        if self._left(ENVIRONMENT) > 0:
            return False
        self.refused.setdefault(ENVIRONMENT, Counter())[cause] += amount
        return True

    def tokens(self) -> dict[ServerId, Token]:
        """Give what the ledger must hold from now on."""
        held = {server: token for server, token in self.before.items() if self._is_held(server, token)}
        return {**held, **self.taken}

    def next_free(self, scope: str) -> Instant | None:
        """Tell when the next token of a scope comes back by time alone; None when it waits for a confirmation."""
        ends = [
            after(token.at, self._window(scope))
            for server, token in self._tokens_of(scope).items()
            if self._counts(server, token, scope) and not self.is_leaving(server)
        ]
        return min(ends, default=None)

    def holds(self) -> Iterator[Hold]:
        """Tell what is held back, a card for each scope that had no token left."""
        for scope, causes in sorted(self.refused.items()):
            until, waiting = self.next_free(scope), causes.total()
            what = ", ".join(f"{cause.value} {count}" for cause, count in sorted(causes.items()))
            next_one = "when the cloud has confirmed a deletion"
            if until is not None:
                next_one = f"in {format_duration(Duration(until - self.now))}"
            words = (
                f"{waiting} more {'is' if waiting == 1 else 'are'} to be taken away ({what}), and all "
                f"{self._allowed(scope)} tokens of {format_duration(self._window(scope))} are spent; "
                f"the next comes back {next_one}"
            )
            yield Hold(scope=scope, rule="destroy-budget", words=words, until=until, amount=waiting)

    def _is_paid(self, server: ServerId) -> bool:
        return server in self.taken or (server in self.before and self.is_leaving(server))

    def _unpaid(self, server: ServerId, scope: str) -> Sequence[str]:
        """Name the scopes in which a server has no token that counts."""
        token = self.before.get(server)
        return [place for place in (ENVIRONMENT, scope) if token is None or not self._counts(server, token, place)]

    def _is_held(self, server: ServerId, token: Token) -> bool:
        return self._counts(server, token, ENVIRONMENT) or self._counts(server, token, token.scope)

    def _counts(self, server: ServerId, token: Token, scope: str) -> bool:
        """Tell whether a token is one of a scope, and spent there still."""
        if scope not in (ENVIRONMENT, token.scope):
            return False
        return self.now < after(token.at, self._window(scope)) or self.is_leaving(server)

    def _tokens_of(self, scope: str) -> Mapping[ServerId, Token]:
        """Give the tokens of before that may count in a scope: of hundreds of scopes each has a few."""
        if scope == ENVIRONMENT:
            return self.before
        if self._before is None:
            by_scope: dict[str, dict[ServerId, Token]] = {}
            for server, token in self.before.items():
                by_scope.setdefault(token.scope, {})[server] = token
            self._before = by_scope
        return self._before.get(scope, {})

    def _window(self, scope: str) -> Duration:
        return self._purse(scope).limit.window

    def _purse(self, scope: str) -> Purse:
        known = self._purses.get(scope)
        if known is None:
            known = self._purses[scope] = self.purse(scope)
        return known

    def _allowed(self, scope: str) -> int:
        purse = self._purse(scope)
        return purse.limit.tokens(purse.servers) + self.granted.get(scope, 0)

    def _left(self, scope: str) -> int:
        if scope not in self._spent:
            counts = (self._counts(server, token, scope) for server, token in self._tokens_of(scope).items())
            self._spent[scope] = sum(counts)
            self._allowances[scope] = self._allowed(scope)
        return self._allowances[scope] - self._spent[scope]


def scope_of(record: ServerRecord) -> str:
    """Give the scope whose budget pays for the server of a record, beside the environment's."""
    return f"service/{record.service}" if record.service is not None else f"pool/{record.pool}"


def in_turns(*queues: Sequence[T]) -> Iterable[T]:
    """Give one of each queue in turn: what is wanted for one cause never starves what is wanted for another."""
    missing = object()
    for turn in zip_longest(*queues, fillvalue=missing):
        yield from (item for item in turn if item is not missing)  # type: ignore[misc]  # the filling is left out
