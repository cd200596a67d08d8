"""A configuration that is valid and as short as can be, to be broken by the tests."""

from __future__ import annotations

import pytest

from hfs_appliance.config import load_text
from hfs_appliance.model.desired import DesiredState

SOURCE = """\
[environment]
name = "test"
[cloud]
provider = "local"
[endpoint]
listen = "127.0.0.1:8080"
[quota]
max_servers = 10
[pool.small]
size = 2
[service.dns]
pool = "small"
port = 9000
[service.dns.run]
command = ["serve"]
[service.dns.version."1.0"]
instances = 3
"""


@pytest.fixture
def source() -> str:
    return SOURCE


@pytest.fixture
def desired() -> DesiredState:
    return load_text(SOURCE, "test.toml", generation=4)
