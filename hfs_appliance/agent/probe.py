"""Health: asks an instance over HTTP as its clients do, each time over a new connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

import httpx
import trio

from hfs_appliance.model.desired import Health
from hfs_appliance.model.instants import Duration, seconds, to_seconds

_FIRST: Final = seconds(0.1)
_GROWTH: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one probe found."""

    is_healthy: bool
    words: str


async def probe(url: str, health: Health, tell: Callable[[Answer], None]) -> Never:
    """Ask again and again, and tell each answer: in quick succession until one was good, then at the interval."""
    pause: Duration = min(_FIRST, health.interval)
    # No proxy of the environment, no certificates to load: the address is an instance's own.
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(max_keepalive_connections=0)
    patience = to_seconds(health.timeout)
    async with httpx.AsyncClient(trust_env=False, verify=no_tls, timeout=patience, limits=limits) as client:
        while True:
            asked_at = trio.current_time()
            answer = Answer(is_healthy=False, words=f"no answer within {patience:g} s")
            with trio.move_on_after(patience):
                answer = await _ask(client, url)
            pause = health.interval if answer.is_healthy else min(Duration(round(pause * _GROWTH)), health.interval)
            tell(answer)
            await trio.sleep_until(asked_at + to_seconds(pause))


async def _ask(client: httpx.AsyncClient, url: str) -> Answer:
    try:
        async with client.stream("GET", url, headers={"user-agent": "hfs-agent"}) as response:
            return Answer(is_healthy=response.is_success, words=f"status {response.status_code}")
    except httpx.HTTPError as error:
        return Answer(is_healthy=False, words=str(error) or type(error).__name__)
