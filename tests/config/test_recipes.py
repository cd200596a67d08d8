"""What does not go together in how servers are to be built."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hfs_appliance.config.loading import load_file, load_text
from hfs_appliance.config.mistakes import ConfigError
from hfs_appliance.model.recipe import Archive, Puppet, Recipe

DIRECTORY = '[pool.small.puppet]\ndirectory = "/modules"\n'
SERVER = '[pool.small.puppet.server]\nhost = "puppet:8140"\n'
ARCHIVE = f'[pool.small.puppet.archive]\nsha256 = "{"ab" * 32}"\n'


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (f"{DIRECTORY}{SERVER}", "pool.small.puppet: has directory and server: where are the modules?"),
        ('[pool.small.puppet]\nrole = "base"\n', "pool.small.puppet: does not say where the modules are"),
        (f'{ARCHIVE}url = "http://10.0.0.1/m.tar"\nfile = "m.tar"\n', "pool.small.puppet.archive: is given twice"),
        (ARCHIVE, "pool.small.puppet.archive: does not say where it is"),
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


def test_an_archive_that_hfs_is_to_serve_is_there_and_meant(source: str, tmp_path: Path) -> None:
    file = tmp_path / "hfs.toml"
    found = hashlib.sha256(b"modules").hexdigest()
    file.write_text(f'{source}\n{ARCHIVE}file = "m.tar"\n')
    with pytest.raises(ConfigError, match=r"pool\.small\.puppet\.archive\.file: /.*/m\.tar: No such file"):
        load_file(file)
    (tmp_path / "m.tar").write_bytes(b"modules")
    with pytest.raises(ConfigError) as told:
        load_file(file)
    assert f'pool.small.puppet.archive.sha256: is not that of the file; it has "{found}"' in str(told.value)
    file.write_text(file.read_text().replace("ab" * 32, found))
    desired, _ = load_file(file)
    (pool,) = desired.pools.values()
    assert pool.recipe.puppet == Puppet(archive=Archive(sha256=found, file=str(tmp_path / "m.tar")))


def test_what_the_cloud_says_of_all_pools_is_part_of_their_recipes(source: str) -> None:
    cloud = source.replace('"local"', '"openstack"').replace("[quota]", '[registry]\nhosts = ["zk1:2181"]\n[quota]')

    def recipe(common: str, own: str) -> Recipe:
        added = f"[cloud.openstack]\ncloud = 'c'\nnetworks = ['n']\n{common}\n"
        (pool,) = load_text(f"{cloud}\n{added}".replace("[pool.small]", f"[pool.small]\n{own}"), "f").pools.values()
        return pool.recipe

    common = 'image = "debian-12"\nflavor = "small"'
    assert recipe(common, "") == Recipe(image="debian-12", flavor="small")
    assert recipe(common, 'image = "debian-13"') == Recipe(image="debian-13", flavor="small")
