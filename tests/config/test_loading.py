"""Reading a configuration: what it becomes, and what is said about every way to get it wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hfs_appliance.config import ConfigError, Mistake, load_file, load_text, overridden
from hfs_appliance.model.desired import (
    Admin,
    CloudProvider,
    CloudSettings,
    DesiredState,
    Endpoint,
    Limits,
    Pool,
    RegistrySettings,
    RunSpec,
    Service,
)
from hfs_appliance.model.ids import EnvironmentName, PoolName, ServiceName, Version

CONFIGS = Path(__file__).parents[2] / "configs"
GOLDEN = Path(__file__).parents[1] / "golden" / "config"
SMALL, DNS = PoolName("small"), ServiceName("dns")


def mistakes_of(source: str, base: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(source, "f", base=base)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_short_file_becomes_a_desired_state_with_the_models_defaults(desired: DesiredState) -> None:
    run = RunSpec(command=("serve",))
    assert desired == DesiredState(
        environment=EnvironmentName("test"),
        generation=4,
        registry=RegistrySettings(),
        cloud=CloudSettings(provider=CloudProvider.LOCAL),
        endpoint=Endpoint(address="127.0.0.1", port=8080),
        admin=Admin(address="127.0.0.1", port=8081),
        limits=Limits(max_servers=10),
        pools={SMALL: Pool(name=SMALL, size=2)},
        services={DNS: Service(name=DNS, pool=SMALL, port=9000, run=run, versions={Version("1.0"): 3})},
    )


@pytest.mark.parametrize("name", ["local.toml", "production.toml"])
def test_the_examples_are_valid(name: str) -> None:
    desired, source = load_file(CONFIGS / name)
    assert source == (CONFIGS / name).read_text()
    assert desired == load_text(source, "elsewhere", base=CONFIGS)


def test_relative_directories_lie_beside_the_file(source: str, tmp_path: Path) -> None:
    source = source.replace('["serve"]', '["serve"]\ndirectory = "code/dns"')
    assert mistakes_of(source.replace("code/dns", "")) == ["f:16:1: service.dns.run.directory: must not be empty"]
    file = tmp_path / "my.toml"
    file.write_text(source)
    directory = tmp_path / "code" / "dns"
    with pytest.raises(
        ConfigError, match=rf"my.toml:16:1: service.dns.run.directory: there is no directory {directory}"
    ):
        load_file(file)
    directory.mkdir(parents=True)
    desired, _ = load_file(file)
    assert desired.services[DNS].run.directory == str(directory)
    assert load_text(source, "stored", base=tmp_path) == desired
    assert load_text(source, str(file)) == desired


def test_without_a_document_there_is_none(source: str) -> None:
    desired = load_text(source.replace("port = 9000", 'port = 9000\ndocument = ""'), "f")
    assert desired.services[DNS].document is None


def one_mistake_each() -> Iterator[tuple[str, str, str]]:
    """Give the blocks of the golden file: what is replaced, by what, and what is said of it."""
    for block in (GOLDEN / "one-mistake.txt").read_text().split("\n\n"):
        parts: dict[str, str] = {"-": "", "+": "", "=": ""}
        for line in block.splitlines():
            if line[0] in parts:
                parts[line[0]] += line[2:] + "\n"
        if parts["="]:
            yield parts["-"], parts["+"], parts["="].strip()


@pytest.mark.parametrize(("old", "new", "said"), list(one_mistake_each()))
def test_one_mistake_gives_one_message(source: str, old: str, new: str, said: str) -> None:
    assert source.count(old) == 1
    assert mistakes_of(source.replace(old, new)) == [f"f:{said}"]


@pytest.mark.parametrize("name", ["docs", "hfs", "hfs-status"])
def test_names_of_the_endpoints_own_pages_are_refused(source: str, name: str) -> None:
    said = f"f:11:10: service.{name}: is a name that the endpoint keeps for itself; choose another one"
    assert mistakes_of(source.replace("service.dns", f"service.{name}")) == [said]


def test_a_registry_host_is_checked_and_counts_once(source: str) -> None:
    hosts = '[registry]\nhosts = ["zk1:2181", "zk1:2181", "zk2", "a b:1"]\n'
    assert mistakes_of(hosts + source) == [
        'f:2:34: registry.hosts[2]: "zk2" is not a host and a port; write it like "zk1:2181"',
        'f:2:41: registry.hosts[3]: "a b:1" is not a host and a port; write it like "zk1:2181"',
    ]
    twice = hosts.replace(', "zk2", "a b:1"', "")
    assert mistakes_of(twice + source) == ['f:2:22: registry.hosts[1]: "zk1:2181" stands here twice']


def test_a_wrong_value_hides_no_other_mistake_and_makes_none(source: str) -> None:
    """The pool's size is unknown, so nothing can be said about the sum; the service is read on without its port."""
    source = (
        source.replace("size = 2", 'size = "200"').replace("port = 9000", "prt = 9000").replace('"small"', '"smal"')
    )
    assert mistakes_of(source) == [
        "f:10:1: pool.small.size: must be an integer, not a string",
        "f:11:10: service.dns.port: is missing; for example port = 9000",
        'f:12:1: service.dns.pool: there is no pool "smal"; did you mean "small"?',
        'f:13:1: service.dns.prt: unknown key; did you mean "port"?',
    ]


def test_a_key_may_be_called_anything(source: str) -> None:
    odd = '"[key]" = 1\n' + source.replace('["serve"]', '["serve"]\nenvironment."[key]" = ""')
    assert mistakes_of(odd) == [
        'f:1:1: "[key]": unknown key',
        'f:17:13: service.dns.run.environment."[key]": "[key]" is not the name of an environment variable',
    ]


def test_an_empty_file_misses_every_required_table() -> None:
    assert [said.split(":")[3].strip() for said in mistakes_of("")] == ["cloud", "endpoint", "environment", "quota"]


def test_files_that_cannot_be_read_are_mistakes_too(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'name = "\xe9"')
    for file, words in (
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "directory"),
        (latin, "not UTF-8 at byte 8"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            load_file(file)
        assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f"a = {'[' * 5000}{']' * 5000}", "arrays or tables are nested too deeply"),
        (f"[{'.'.join('a' * 900)}]", "arrays or tables are nested too deeply"),
        (f"a = {'1' * 5000}", "not TOML: Exceeds the limit"),
        ("#" * 600_000, "has more than the 512 KiB that the registry can keep"),
    ],
    ids=["arrays", "tables", "digits", "size"],
)
def test_absurd_texts_are_refused(source: str, words: str) -> None:
    (said,) = mistakes_of(source)
    assert said.startswith(f"f: {words}")


def test_scale_counts_take_the_place_of_the_files(desired: DesiredState) -> None:
    scaled = overridden(desired, {(DNS, Version("1.0")): 7})
    dns = replace(desired.services[DNS], versions={Version("1.0"): 7})
    assert scaled == replace(desired, services={DNS: dns})
    assert overridden(desired, {}) == desired


def test_scale_counts_keep_names_and_limits(desired: DesiredState) -> None:
    counts = {
        (DNS, Version("1.0")): 9,
        (DNS, Version("1.1")): 1,
        (DNS, Version("1;1")): 1,
        (ServiceName("dsn"), Version("1.0")): 1,
    }
    with pytest.raises(ConfigError) as caught:
        overridden(desired, counts)
    assert str(caught.value).splitlines() == [
        "quota.max_servers: 10 servers are fewer than the 12 that pools and services want together; at least 12",
        "service.dns.version: '1;1' is no name of a version",
        'service.dsn: there is no such service; did you mean "dns"?',
    ]
    with pytest.raises(ConfigError, match=r"instances: -1 is too small"):
        overridden(desired, {(DNS, Version("1.0")): -1})


def test_mistakes_are_sorted_by_place() -> None:
    first, second, third = (
        Mistake(file="f", line=line, column=column, key="k", words="w") for line, column in ((2, 9), (10, 1), (10, 2))
    )
    assert ConfigError([third, first, second]).mistakes == (first, second, third)


def test_a_text_that_is_read_again_gives_the_same_services_in_another_generation(source: str) -> None:
    first, second = load_text(source, "hfs.toml", generation=1), load_text(source, "hfs.toml", generation=2)
    assert second == replace(first, generation=2)
    assert all(second.services[name] is service for name, service in first.services.items())
