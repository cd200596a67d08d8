"""The load that nginx's access log tells of: what is counted for whom, and that rotation loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from hfs_appliance.adapters.nginx.accesslog import LINES_MAX, UNKNOWN, Owner, measure, thinned
from hfs_appliance.adapters.nginx.load import NginxLoad
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.load import Measured, Reading, added
from hfs_appliance.ports.errors import Transient

if TYPE_CHECKING:
    from tests.adapters.nginx.conftest import Site

DNS, V1, V2 = ServiceName("dns"), Version("1.0.0"), Version("2.0.0")
OWNERS: Mapping[str, Owner] = {"127.0.0.2:9000": (DNS, V1), "127.0.0.3:9000": (DNS, V2)}


def line(
    upstream: str = "127.0.0.2:9000",
    *,
    status: int = 200,
    seconds: str = "0.012",
    service: str = "dns",
    uri: str = "/dns/",
) -> bytes:
    return (
        f'{{"at":"2026-11-25T20:00:00+00:00","request_id":"x","service":"{service}","client":"127.0.0.1",'
        f'"method":"GET","uri":"{uri}","status":{status},"bytes":180,"seconds":{seconds},"upstream":"{upstream}",'
        f'"upstream_status":"{status}","upstream_seconds":"{seconds}","trace":""}}\n'
    ).encode()


def of(lines: list[bytes]) -> Mapping[ServiceName, Mapping[Version, Measured]]:
    return measure(lines, 1, OWNERS)


def test_requests_are_counted_for_the_version_that_answered() -> None:
    found = of([line(), line(seconds="0.100"), line("127.0.0.3:9000", status=500)])[DNS]
    assert (found[V1].requests, found[V1].errors, found[V1].busy_us) == (2, 0, 112_000)
    assert (found[V2].requests, found[V2].errors) == (1, 1)
    assert 100_000 <= found[V1].percentile_us(95) <= 105_000
    assert 12_000 <= found[V1].percentile_us(50) <= 12_600


def test_a_request_that_was_passed_on_is_the_last_ones() -> None:
    assert of([line("127.0.0.2:9000, 127.0.0.3:9000")])[DNS].keys() == {V2}


def test_a_client_that_left_is_no_error() -> None:
    assert of([line(status=499)])[DNS][V1].errors == 0


def test_what_no_instance_could_be_tried_for_is_the_services() -> None:
    assert of([line("service-dns", status=502)])[DNS] == of([line("127.0.0.9:9000", status=502)])[DNS]
    assert of([line("service-dns", status=502)])[DNS][UNKNOWN].errors == 1


def test_what_is_for_no_service_is_not_counted() -> None:
    assert of([line("", service=""), b"", b"garbage\n", b'{"status":200']) == {}


def test_nobody_can_write_a_field_into_an_address() -> None:
    # nginx escapes quotes in what clients send (escape=json), so that a URI stays within its own field.
    forged = '/dns/\\",\\"status\\":500,\\"bytes\\":1,\\"seconds\\":9.999,\\"upstream\\":\\"127.0.0.3:9000\\"'
    assert of([line(uri=forged)])[DNS].keys() == {V1}


def test_of_too_many_lines_every_so_manieth_counts_for_all() -> None:
    lines, weight = thinned([line()] * (3 * LINES_MAX))
    assert (len(lines), weight) == (LINES_MAX, 3)
    assert measure(lines[:10], weight, OWNERS)[DNS][V1].requests == 30
    assert thinned([line()] * 5)[1] == 1
    assert thinned([]) == ([], 1)


class Clock:
    """Goes on by a second each time it is asked."""

    def __init__(self) -> None:
        self.count = 0

    def now(self) -> Instant:
        self.count += 1
        return Instant(self.count * SECOND)


class Log:
    """An access log that is written to as nginx does, and the reader of it."""

    def __init__(self, directory: Path) -> None:
        (directory / "logs").mkdir()
        self.path = directory / "logs" / "access.log"
        self.load = NginxLoad(directory, lambda: None, Clock())

    def write(self, *lines: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(lines))

    async def count(self) -> int:
        reading = await self.load.read()
        return added(of_all(reading)).requests


def of_all(reading: Reading) -> list[Measured]:
    return [measured for versions in reading.services.values() for measured in versions.values()]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


async def test_only_what_is_new_is_read_and_whole_lines_only(log: Log) -> None:
    log.write(line(), line())
    await log.load.skip()
    assert await log.count() == 0
    log.write(line(), line()[:50])
    assert await log.count() == 1
    log.write(line()[50:], line())
    assert await log.count() == 2


async def test_a_log_that_nginx_has_not_made_yet_is_read_from_its_beginning(log: Log) -> None:
    await log.load.skip()
    assert await log.count() == 0
    log.write(line())
    assert await log.count() == 1


async def test_rotation_loses_nothing(log: Log) -> None:
    log.write(line())
    assert await log.count() == 0  # the first time is a beginning
    log.write(line())
    log.path.rename(log.path.with_suffix(".log.1"))
    assert await log.count() == 1  # nginx has not opened a new one
    log.write(line(), line())
    with log.path.with_suffix(".log.1").open("ab") as former:
        former.write(line())
    assert await log.count() == 3
    with log.path.with_suffix(".log.1").open("ab") as former:
        former.write(line())  # a worker that was late
    log.write(line())
    assert await log.count() == 2
    assert await log.count() == 0


async def test_a_log_that_somebody_emptied_is_read_from_its_beginning(log: Log) -> None:
    log.write(line(), line(), line())
    await log.load.skip()
    log.path.write_bytes(b"")
    log.write(line())
    assert await log.count() == 1


async def test_a_log_that_cannot_be_read_is_told(log: Log) -> None:
    log.path.mkdir()
    with pytest.raises(Transient, match=r"access\.log"):
        await log.load.read()


async def test_readings_follow_each_other_without_a_gap(log: Log) -> None:
    await log.load.skip()
    readings = [await log.load.read() for _ in range(3)]
    assert [before.end for before in readings[:-1]] == [after.begin for after in readings[1:]]


@pytest.mark.nginx
async def test_nginx_writes_what_we_read(site: Site) -> None:
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(first.member, second.member))
    load = NginxLoad(site.directory, site.proxy.last_good, Clock())
    await load.skip()
    for _ in range(10):
        assert (await site.get("/dns/")).status_code == 200
    assert (await site.get("/docs/")).status_code == 200
    found: list[Measured] = []
    with trio.fail_after(30):
        while added(found).requests < 10:  # the log is written within a second
            await trio.sleep(0.05)
            found += of_all(await load.read())
    assert added(found).requests == 10
    assert added(found).errors == 0
