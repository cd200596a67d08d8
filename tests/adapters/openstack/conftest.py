"""One fake cloud on a socket for each test, with a client of it; a real one where HFS_OPENSTACK names it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from sim.wire.openstack.whole import OpenStack, openstack
from tests.adapters.openstack.parts import ENVIRONMENT
from tests.support.openstacks import REAL, client, serving

collect_ignore: Final = [] if REAL in os.environ else ["test_words_on_real.py"]


@pytest.fixture
def fake() -> OpenStack:
    """Give the fake, to look into and to break."""
    return openstack(zones=("az1", "az2"))


@pytest.fixture
async def clouds_file(fake: OpenStack, tmp_path: Path) -> AsyncIterator[Path]:
    """Have the fake on a socket."""
    async with serving(fake, tmp_path) as file:
        yield file


@pytest.fixture
def cloud(clouds_file: Path) -> OpenStackCloud:
    """Give a client of it."""
    return client(clouds_file, ENVIRONMENT)
