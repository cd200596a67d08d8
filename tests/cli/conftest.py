"""The commands against a real API: the command runs in a thread, as another process would."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
import trio
from click.testing import CliRunner, Result

from hfs_appliance.cli.main import cli
from tests.support.control import FakeControl
from tests.support.served import Served, serve_fake


@dataclass
class Commands:
    """The commands, pointed at a FakeControl."""

    served: Served

    @property
    def control(self) -> FakeControl:
        return self.served.control

    async def __call__(self, *arguments: str, typed: str | None = None) -> Result:
        """Run one command."""
        return await trio.to_thread.run_sync(
            lambda: CliRunner().invoke(cli, ["--api", self.served.url, *arguments], input=typed), abandon_on_cancel=True
        )


@pytest.fixture
async def hfs() -> AsyncGenerator[Commands, None]:
    async with serve_fake() as served:
        yield Commands(served)
