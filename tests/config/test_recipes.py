"""What does not go together in how servers are to be built."""

from __future__ import annotations

import pytest

from hfs_appliance.config.loading import load_text
from hfs_appliance.config.mistakes import ConfigError

DIRECTORY = '[pool.small.puppet]\ndirectory = "/modules"\n'
SERVER = '[pool.small.puppet.server]\nhost = "puppet:8140"\n'


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (f"{DIRECTORY}{SERVER}", "pool.small.puppet: has directory and server: where are the modules?"),
        ('[pool.small.puppet]\nrole = "base"\n', "pool.small.puppet: does not say where the modules are"),
        (f'{DIRECTORY}within = "10m"\n', "pool.small.puppet.within: 10m are not within the 10m that building may take"),
    ],
)
def test_contradictions_are_told(source: str, added: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        load_text(f"{source}\n{added}", "f")
    assert words in str(told.value)


def test_a_directory_is_nothing_for_the_servers_of_a_cloud(source: str) -> None:
    cloud = source.replace('"local"', '"openstack"').replace("[quota]", '[registry]\nhosts = ["zk1:2181"]\n[quota]')
    with pytest.raises(ConfigError, match=r"pool\.small\.puppet\.directory: is a directory of this machine"):
        load_text(f"{cloud}\n{DIRECTORY}", "f")


def test_a_role_of_puppets_needs_a_pool_that_is_built_with_it(source: str) -> None:
    with_role = source.replace("port = 9000", 'port = 9000\npuppet_role = "profile::dns"')
    with pytest.raises(ConfigError, match=r"service\.dns\.puppet_role: pool \"small\" is built without Puppet"):
        load_text(with_role, "f")
    load_text(f"{with_role}\n{DIRECTORY}", "f")
