"""A real listener on a free port, in front of a Control in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import trio

from hfs_appliance.web import api
from tests.support.control import FakeControl


@dataclass
class Served:
    """What a test needs of a running API."""

    control: FakeControl
    port: int
    shutdown: trio.Event
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serve_fake() -> AsyncGenerator[Served, None]:
    """Serve the API of a new FakeControl."""
    control, shutdown = FakeControl(), trio.Event()
    app = api.build(control, lambda: b"hfs_converged 1.0\n")
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(api.serve, app, "127.0.0.1", 0, shutdown=shutdown))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            yield Served(control=control, port=port, shutdown=shutdown, client=client)
        shutdown.set()
