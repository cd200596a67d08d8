"""The client of the admin API: one call, one JSON text, typed on demand; every error is a Failure of the command."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from hfs_appliance.cli.failures import Failure, Foreign, Mistaken, Unavailable, program
from hfs_appliance.config.mistakes import Mistake
from hfs_appliance.model.reports import EventReport, ServerReport, Status

_BASE: Final = "/api/v1"
_TIMEOUT: Final = httpx.Timeout(30, connect=5)
"""Seconds; the event stream has a heartbeat each 15 s."""
_LEADER_WITHIN_S: Final = 15
"""An appliance that has just begun leads after a session's time-out at the latest; until then a command waits."""
_OURS: Final = frozenset({"application/json", "application/x-ndjson"})
"""What a page of somebody else's is not."""
_ADVICE: Final[Mapping[str, str]] = {
    "conflict": "somebody else changed the environment meanwhile: look again with `hfs plan` or `hfs status`",
    "standby": "try again in a moment; `hfs status` shows who leads",
    "transient": "try again in a moment; `hfs status` shows the state of the registry session",
    "ambiguous": "look with `hfs status` whether it happened before you repeat it",
    "exhausted": "wait, or raise the limits; `hfs status` shows what is held and why",
    "unknown-name": "`hfs servers` and `hfs status` list what there is",
    "bug": "this is a mistake of hfs; please report it with the words above",
}

_Report = TypeVar("_Report")


class Api:
    """A connection to one appliance."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._readers: dict[Any, TypeAdapter[Any]] = {}
        with self._failures():
            # Never through a proxy of the environment: the API is on loopback.
            self._http = httpx.Client(base_url=self.url + _BASE, timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """Ask for one thing, again while it is to be asked again, and give the answer's JSON. Errors: Failure."""
        give_up_at = time.monotonic() + _LEADER_WITHIN_S
        with self._failures():
            response = self._http.request(method, path, json=body)
            while "retry-after" in response.headers and time.monotonic() < give_up_at:
                time.sleep(float(response.headers["retry-after"]))
                response = self._http.request(method, path, json=body)
            self._check(response)
            return response.text

    def ask(self, kind: type[_Report], method: str, path: str, body: Mapping[str, Any] | None = None) -> _Report:
        """Ask for one report. Errors: Failure."""
        return self.read(kind, self.call(method, path, body))

    def read(self, kind: type[_Report], text: str) -> _Report:
        """Read a report. Errors: Foreign, when it is not what this version knows."""
        try:
            report: _Report = self._reader(kind).validate_json(text)
        except ValidationError as error:
            raise Foreign(self.url, "not what this version of hfs knows") from error
        return report

    def _reader(self, kind: type[_Report]) -> TypeAdapter[_Report]:
        """Give the reader of a kind of report; making one costs more than many uses."""
        if kind not in self._readers:
            self._readers[kind] = TypeAdapter(kind)
        return self._readers[kind]

    def status(self) -> Status:
        """Ask how the environment stands."""
        return self.ask(Status, "GET", "/status")

    def is_listening(self) -> bool:
        """Tell whether anybody takes connections there."""
        try:
            self._http.get("/status")
        except httpx.ConnectError:
            return False
        except httpx.HTTPError:
            return True
        return True

    def servers(self) -> list[ServerReport]:
        """Ask for the servers."""
        return self.ask(list[ServerReport], "GET", "/servers")

    def stream(self, after: int, *, is_following: bool) -> Iterator[str]:
        """Give the events after a number, one JSON text each. Errors: Failure."""
        query = {"after": after, "follow": int(is_following)}
        with self._failures(), self._http.stream("GET", "/events", params=query) as response:
            if not response.is_success:
                response.read()
            self._check(response)
            yield from filter(None, response.iter_lines())

    def events(self, after: int) -> list[EventReport]:
        """Give the events after a number that are still kept."""
        return [self.read(EventReport, line) for line in self.stream(after, is_following=False)]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Failure(f"{self.url} is no URL of an admin API: {error}", "it looks like http://HOST:PORT") from error
        except httpx.ReadTimeout as error:
            raise Unavailable(self.url, "it does not answer in time") from error
        except httpx.HTTPError as error:
            why = str(error).rpartition("] ")[2].lower()  # without the number of an OSError
            raise Unavailable(self.url, why or type(error).__name__) from error

    def _check(self, response: httpx.Response) -> None:
        """Raise the problem that an answer tells."""
        if response.is_success and response.headers.get("content-type") in _OURS:
            return
        problem = {} if response.is_success else _problem(response)
        if not problem:
            raise Foreign(self.url, f"{response.status_code} {response.reason_phrase}")
        if "mistakes" in problem:
            raise Mistaken([str(Mistake(**mistake)) for mistake in problem["mistakes"]])
        raise Failure(problem["detail"], _advice(problem))


def _advice(problem: Mapping[str, Any]) -> str:
    """Say what to do about a problem; whoever stands by names the one to ask."""
    leader = problem.get("leader")
    if leader is not None:
        return f"ask it: {program()} --api {leader['address']} … (127.0.0.1 is the leader's own machine)"
    if problem.get("hash"):
        return f"if that is what you want, give --confirm {problem['hash']} with the same command"
    return _ADVICE.get(problem["kind"], "")


def _problem(response: httpx.Response) -> dict[str, Any]:
    """Give the problem document of an answer; empty: none of ours (others write some, too)."""
    try:
        problem = response.json()
    except ValueError:
        return {}
    is_ours = isinstance(problem, dict) and str(problem.get("type")).startswith("urn:hfs:problem:")
    return problem if is_ours else {}


def segment(name: str) -> str:
    """Write a name as one segment of a path."""
    return quote(name, safe="")
