"""Steady HTTP load on a loopback endpoint: open loop, no retries, each failure with its instant.

Requests fall due at a fixed rate whatever the server does, and latency counts from the instant a request was due: a
server that stalls is charged for everyone who would have waited. Made of h11 on trio sockets, because the load must
cost little beside what it measures. Rule: it never sends to another machine.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import math
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

import click
import h11
import trio

from bench.measure import percentile

_READ_BYTES = 65536


class FailureKind(StrEnum):
    """What became of a request that was not answered well."""

    REFUSED = "refused"
    RESET = "reset"
    """The connection ended before the answer did."""
    TIMEOUT = "timeout"
    STATUS = "status"
    """An answer of 500 or above."""
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that failed."""

    at_s: float
    """When it was due, in seconds since the load began."""
    url: str
    kind: FailureKind
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlReport:
    """What became of the requests to one URL."""

    ok: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What became of all requests; latencies are those of the requests that succeeded."""

    elapsed_s: float
    sent: int
    ok: int
    failed: Mapping[FailureKind, int]
    latency_ms_p50: float
    latency_ms_p99: float
    latency_ms_max: float
    late_ms_max: float
    """The longest that a request waited for a free connection of ours; large: too few connections, or no CPU left."""
    by_url: Mapping[str, UrlReport]
    failures: tuple[Failure, ...] = field(repr=False)
    """In the order in which they were due."""


class NotLoopbackError(ValueError):
    """The target is not this machine."""


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    host: str
    port: int
    request: h11.Request

    @classmethod
    def parse(cls, url: str, *, is_keepalive: bool) -> _Target:
        parts = urlsplit(url)
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
        if parts.scheme != "http" or not _is_loopback(host):
            raise NotLoopbackError(f"{url}: load goes to http://127.x.y.z or http://[::1] only")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = [("Host", parts.netloc), ("Connection", "keep-alive" if is_keepalive else "close")]
        return cls(url, host, parts.port or 80, h11.Request(method="GET", target=path, headers=headers))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _FailedError(Exception):
    def __init__(self, kind: FailureKind, words: str) -> None:
        self.kind = kind
        self.words = words


class _Client:
    """One connection after another to whatever target is asked for."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, int], tuple[trio.SocketStream, h11.Connection]] = {}

    async def get(self, target: _Target, timeout_s: float) -> None:
        """Ask once. Errors: _FailedError."""
        try:
            with trio.fail_after(timeout_s):
                status = await self._exchange(target)
        except trio.TooSlowError:
            failure = _FailedError(FailureKind.TIMEOUT, f"no answer in {timeout_s:g} s")
        except ConnectionRefusedError as error:
            failure = _FailedError(FailureKind.REFUSED, str(error))
        except (OSError, trio.BrokenResourceError) as error:
            failure = _FailedError(FailureKind.RESET, str(error))
        except h11.RemoteProtocolError as error:
            failure = _FailedError(FailureKind.MALFORMED, str(error))
        else:
            if status < 500:
                return
            raise _FailedError(FailureKind.STATUS, str(status))
        self.close(target)
        raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream, _http in self._streams.values():
            stream.socket.close()

    def close(self, target: _Target) -> None:
        """Forget the connection to a target."""
        stream, _ = self._streams.pop((target.host, target.port), (None, None))
        if stream is not None:
            stream.socket.close()

    async def _exchange(self, target: _Target) -> int:
        stream, http = await self._connected(target)
        await stream.send_all((http.send(target.request) or b"") + (http.send(h11.EndOfMessage()) or b""))
        status = 0
        try:
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    http.receive_data(await stream.receive_some(_READ_BYTES))
                elif isinstance(event, h11.Response):
                    status = event.status_code
        except h11.RemoteProtocolError as error:
            if http.trailing_data[1]:
                raise ConnectionResetError("the connection ended before the answer did") from error
            raise
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
        else:
            self.close(target)
        return status

    async def _connected(self, target: _Target) -> tuple[trio.SocketStream, h11.Connection]:
        key = (target.host, target.port)
        # Something to read on an idle connection is its end; every client looks before it asks again.
        if key in self._streams and self._streams[key][0].socket.is_readable():
            self.close(target)
        if key not in self._streams:
            stream = await _connect(target)
            self._streams[key] = stream, h11.Connection(h11.CLIENT)
        return self._streams[key]


async def _connect(target: _Target) -> trio.SocketStream:
    family = trio.socket.AF_INET6 if ":" in target.host else trio.socket.AF_INET
    socket = trio.socket.socket(family)
    try:
        await socket.connect((target.host, target.port))
    except BaseException:
        socket.close()
        raise
    return trio.SocketStream(socket)


@dataclass(slots=True)
class _Tally:
    began: float = field(default_factory=trio.current_time)
    sent: int = 0
    late_s_max: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    ok: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def report(self, urls: Sequence[str]) -> LoadReport:
        failed = Counter(failure.url for failure in self.failures)
        latencies_ms = [latency_s * 1000 for latency_s in self.latencies_s] or [math.nan]
        return LoadReport(
            elapsed_s=trio.current_time() - self.began,
            sent=self.sent,
            ok=self.ok.total(),
            failed=dict(Counter(failure.kind for failure in self.failures)),
            latency_ms_p50=percentile(latencies_ms, 0.50),
            latency_ms_p99=percentile(latencies_ms, 0.99),
            latency_ms_max=max(latencies_ms),
            late_ms_max=self.late_s_max * 1000,
            by_url={url: UrlReport(ok=self.ok[url], failed=failed[url]) for url in urls},
            failures=tuple(sorted(self.failures, key=lambda failure: failure.at_s)),
        )


async def steady(
    urls: Sequence[str],
    *,
    rate: float,
    duration_s: float = math.inf,
    stop: trio.Event | None = None,
    connections: int = 32,
    is_keepalive: bool = True,
    timeout_s: float = 5.0,
) -> LoadReport:
    """Send GETs to the URLs in turn, `rate` a second in all, for `duration_s` or until `stop` is set.

    A request under way at the end is finished and counted. Errors: NotLoopbackError, before anything is sent.
    """
    targets = [_Target.parse(url, is_keepalive=is_keepalive) for url in urls]
    tally = _Tally()
    numbers = itertools.count()
    ending = trio.Event() if stop is None else stop

    async def client() -> None:
        with _Client() as own:
            for number in numbers:
                due_s = number / rate
                with trio.move_on_at(tally.began + due_s):
                    await ending.wait()
                if ending.is_set() or due_s >= duration_s:
                    return
                tally.late_s_max = max(tally.late_s_max, trio.current_time() - tally.began - due_s)
                await _ask(own, targets[number % len(targets)], due_s, timeout_s, tally)

    async with trio.open_nursery() as nursery:
        for _ in range(connections):
            nursery.start_soon(client)
    return tally.report(urls)


async def _ask(client: _Client, target: _Target, due_s: float, timeout_s: float, tally: _Tally) -> None:
    tally.sent += 1
    try:
        await client.get(target, timeout_s)
    except _FailedError as failure:
        tally.failures.append(Failure(at_s=due_s, url=target.url, kind=failure.kind, words=failure.words))
    else:
        tally.ok[target.url] += 1
        tally.latencies_s.append(trio.current_time() - tally.began - due_s)


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--rate", type=float, default=200, show_default=True, help="Requests a second, over all URLs.")
@click.option("--duration", type=float, default=math.inf, help="Seconds.  [default: until interrupted]")
@click.option("--connections", type=int, default=32, show_default=True)
@click.option("--timeout", type=float, default=5, show_default=True, help="Seconds a request may take.")
@click.option("--close", is_flag=True, help="A new connection for each request.")
@click.option("--json", "is_json", is_flag=True, help="For machines.")
def main(
    *, urls: Sequence[str], rate: float, duration: float, connections: int, timeout: float, close: bool, is_json: bool
) -> None:
    """Send steady load to URLs of this machine and tell what became of it; interrupt it to end it early."""

    async def load() -> LoadReport:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_set_on_interrupt, stop)
            report = await steady(
                urls,
                rate=rate,
                duration_s=duration,
                stop=stop,
                connections=connections,
                is_keepalive=not close,
                timeout_s=timeout,
            )
            nursery.cancel_scope.cancel()
        return report

    report = trio.run(load)
    click.echo(json.dumps(asdict(report), indent=2) if is_json else "\n".join(_lines(report)))


async def _set_on_interrupt(stop: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop.set()


def _lines(report: LoadReport) -> Iterator[str]:
    yield f"{report.sent} requests in {report.elapsed_s:.1f} s: {report.ok} ok, {len(report.failures)} failed"
    yield (
        f"latency since due: {report.latency_ms_p50:.1f} ms p50, {report.latency_ms_p99:.1f} p99, "
        f"{report.latency_ms_max:.1f} max; at most {report.late_ms_max:.1f} ms of it on our side"
    )
    for url, one in report.by_url.items():
        yield f"  {url}: {one.ok} ok, {one.failed} failed"
    for failure in report.failures:
        yield f"  {failure.at_s:8.3f} s  {failure.kind:9}  {failure.url}  {failure.words}"


if __name__ == "__main__":
    main()
