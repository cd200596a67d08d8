"""Differences between desired states: told with the keys that an operator writes, all of them and no others."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import tomli

from hfs_appliance.config import differences, load_text, restart_needed
from hfs_appliance.config.keys import KeyPath, write_path
from hfs_appliance.config.reading import keys_of, present
from hfs_appliance.config.shape import File
from hfs_appliance.config.table import Table
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.reports import Change

EVERY_KEY = """\
[environment]
name = "every-key"
[registry]
hosts = ["zk1:2181"]
session_timeout = "9s"
embedded_port = 2182
[cloud]
provider = "local"
azs = ["a", "b"]
poll = "1s500ms"
[cloud.local]
network = "127.78.0.0/16"
directory = "/var/lib/hfs/servers"
boot = "3s"
updates = "2s"
configuration = "4s"
machine = "qemu"
[cloud.local.guest]
image = "/images/guest"
saved = "/var/lib/hfs/saved"
memory_mib = 512
ports = [80, 9000]
[cloud.openstack]
cloud = "example"
clouds_file = "/etc/openstack/clouds.yaml"
image = "debian-12"
flavor = "m1.small"
networks = ["private", "backup"]
security_groups = ["web"]
keypair = "operators"
server_group = "spread"
config_drive = true
call_within = "20s"
writes = 9
[cloud.openstack.executable]
listen = "0.0.0.0:8092"
in_image = true
url = "http://10.0.0.5/hfs"
sha256 = "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
[cloud.openstack.foundation.network.inner]
cidr = "10.20.0.0/24"
external = "public"
name_servers = ["9.9.9.9"]
[cloud.openstack.foundation.security_group.web]
allow = ["tcp/80", "icmp from 10.0.0.0/8"]
[cloud.openstack.foundation.keypair.team]
public_key = "ssh-ed25519 AAAA team"
[cloud.openstack.foundation.server_group.apart]
policy = "affinity"
[endpoint]
listen = "127.0.0.1:8090"
title = "T"
description = "D"
connect_timeout = "2s"
response_timeout = "20s"
reload_interval = "3s"
[admin]
listen = "127.0.0.1:8091"
[quota]
max_servers = 20
max_creating = 4
max_deleting = 5
[quota.reserve]
remediation = "6%"
rollout = "14.5%"
[guard]
shrink_confirm = "20%"
[guard.destroy_budget]
percent = "9%"
min = 2
max = 19
window = "11m"
[guard.storm]
percent = "25%"
min = 4
[balancer]
port = 8000
network = "front"
drain = "45s"
[guard.quarantine]
keep = "5h"
max = 2
[pool.small]
image = "debian-13"
flavor = "m1.large"
size = 2
max = 9
remember = "7d"
build_within = "1m30s"
fresh = "1d"
recycle = "3d"
image_canary = 3
check = ["/bin/true"]
updates = ["apt-get", "upgrade"]
[pool.small.puppet]
directory = "/modules"
role = "base"
within = "1m"
[service.dns]
puppet_role = "profile::dns"
role = "proxy"
pool = "small"
port = 9000
document = "/d"
base_path = "/b/"
drain = "6s"
suspect_grace = "7s"
registrar = "self"
floor = 2
[service.dns.guard]
shrink_confirm = "10%"
[service.dns.guard.destroy_budget]
percent = "0.5%"
min = 1
max = 9
window = "1h"
[service.dns.guard.storm]
percent = "20%"
min = 2
[service.dns.autoscale]
min = 3
max = 9
rps_per_instance = 100
in_flight_per_instance = 5
cpu = "60%"
load = "150%"
latency_p95 = "250ms"
errors = "2%"
tolerance = "5%"
up = { window = "10s", max = "50%", per = "1m" }
down = { window = "20m", max = "5%", per = "2m" }
no_data = { up = "usual", down = "usual" }
[service.dns.rollout]
strategy = "canary"
steps = [{ weight = "1.5%", bake = "1m" }, { weight = "60%", bake = "10m" }]
batch = "20%"
progress_deadline = "11m"
revert_deadline = "3m"
retain_old = "6m"
gate = { error_factor = "1.5x", error_plus = "0.2%", p95_factor = "1.25x", min_requests = 600 }
split = { by = "cookie", cookie = "session" }
[service.dns.run]
command = ["serve", "é"]
environment.A = "B"
pip = ["p"]
directory = "/code"
restart_backoff = "1s"
restart_backoff_max = "40s"
[service.dns.health]
path = "/h"
interval = "3s"
timeout = "4s"
unhealthy_after = 5
ready_within = "6m"
[service.dns.version."1.0"]
instances = 3
weight = 80
match = [{ header = "X-Beta", value = "no" }, { cookie = "beta", value = "0" }]
"""
ELSEWHERE = (
    ("archive", {"url": "https://example.com/m.tar.gz", "sha256": "ab" * 32}),
    ("archive", {"file": "m.tar.gz", "sha256": "ab" * 32}),
    ("repository", {"url": "https://example.com/m.git", "revision": "ab" * 20}),
    ("server", {"host": "puppet:8140", "environment": "testing"}),
)
"""Where modules may be instead of in a directory."""
IN_WORDS: dict[KeyPath, str] = {
    ("service", "dns", "rollout", "steps"): "1.5% for 1m, 60% for 10m",
    ("service", "dns", "version", "1.0", "match"): "header X-Beta = no, cookie beta = 0",
}
"""How arrays of tables are told."""


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, inner in value.items():
        yield from leaves(inner, (*path, key))


NAMED = {"pool": "small", "service": "dns", "version": "1.0", "environment": "A"} | {
    "network": "inner",
    "security_group": "web",
    "keypair": "team",
    "server_group": "apart",
}
"""What EVERY_KEY calls things that an operator names."""


def known_keys(table: type[Table] = File, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Give every key of the shape, with the names that EVERY_KEY uses."""
    for name, field in keys_of(table).items():
        annotation: Any = present(field.annotation)
        inner = (*path, name)
        if typing.get_origin(annotation) is dict:
            annotation = typing.get_args(annotation)[1]
            inner = (*inner, NAMED[name])
        if isinstance(annotation, type) and issubclass(annotation, Table):
            yield from known_keys(annotation, inner)
        else:
            yield inner


def test_every_key_reaches_the_model_and_is_told_as_it_was_written() -> None:
    written = dict(leaves(tomli.loads(EVERY_KEY)))
    elsewhere = {("pool", "small", "puppet", place, key) for place, keys in ELSEWHERE for key in keys}
    assert written.keys() == set(known_keys()) - {("schema",)} - elsewhere
    told = {change.path: change.after for change in differences(None, load_text(EVERY_KEY, "f"))}
    assert told == {
        write_path(path): IN_WORDS[path]
        if path in IN_WORDS
        else json.dumps(value, ensure_ascii=False)
        if isinstance(value, list)
        else str(value)
        for path, value in written.items()
    }


@pytest.mark.parametrize(("place", "keys"), ELSEWHERE)
def test_every_place_of_modules_reaches_the_model(
    source: str, desired: DesiredState, place: str, keys: Mapping[str, str]
) -> None:
    inner = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
    after = load_text(f"{source}\n[pool.small.puppet.{place}]\n{inner}", "f")
    assert {change.path.rpartition(".")[2]: change.after for change in differences(desired, after)} == keys


def test_nothing_changes_nothing(desired: DesiredState) -> None:
    assert differences(desired, replace(desired, generation=9)) == ()
    assert restart_needed(desired, desired) == ()


def test_a_change_tells_before_and_after(source: str, desired: DesiredState) -> None:
    after = load_text(source.replace("instances = 3", "instances = 5\n[pool.large]\nsize = 0"), "f")
    assert differences(desired, after) == (
        Change(path="pool.large.size", before="", after="0"),
        Change(path='service.dns.version."1.0".instances', before="3", after="5"),
    )


def test_back_to_the_default_is_a_change_too(source: str, desired: DesiredState) -> None:
    slow = load_text(source.replace("port = 9000", 'port = 9000\ndrain = "1m30s"\ndocument = ""'), "f")
    assert differences(slow, desired) == (
        Change(path="service.dns.document", before="", after="/openapi.json"),
        Change(path="service.dns.drain", before="1m30s", after="5s"),
    )


def test_a_version_that_goes_is_told(desired: DesiredState) -> None:
    name = ServiceName("dns")
    dns = replace(desired.services[name], versions={Version("1.1"): 3})
    assert differences(desired, replace(desired, services={name: dns})) == (
        Change(path='service.dns.version."1.0".instances', before="3", after=""),
        Change(path='service.dns.version."1.1".instances', before="", after="3"),
    )


@pytest.mark.parametrize(
    ("old", "new", "needed"),
    [
        ('name = "test"', 'name = "other"', ("environment.name",)),
        ('"local"', '"local"\npoll = "2s"\nlocal.boot = "9s"', ("cloud.local.boot", "cloud.poll")),
        ("[quota]", '[admin]\nlisten = "127.0.0.1:8082"\n[quota]', ("admin.listen",)),
        ("[quota]", '[balancer]\ndrain = "9s"\n[quota]', ("balancer.drain",)),
        ("[quota]", '[registry]\nhosts = ["zk1:2181"]\n[quota]', ("registry.hosts",)),
        ("127.0.0.1:8080", "127.0.0.1:8088", ()),
        ("max_servers = 10", "max_servers = 11", ()),
        ("instances = 3", "instances = 4", ()),
    ],
)
def test_some_keys_take_effect_on_restart_only(
    source: str, desired: DesiredState, old: str, new: str, needed: tuple[str, ...]
) -> None:
    after = load_text(source.replace(old, new), "f")
    assert differences(desired, after)
    assert restart_needed(desired, after) == needed
