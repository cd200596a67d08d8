"""nginx as a process: published to, refused, killed, adopted, stopped; and no request lost where none need be."""

from __future__ import annotations

import math
import os
import signal
import socket
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from bench.load import LoadReport, steady
from hfs_appliance.adapters.nginx.files import LOG_SIZE_MAX, Files
from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.adapters.nginx.workers import find_master, find_workers, is_accepting
from hfs_appliance.ports.errors import Rejected, Transient

if TYPE_CHECKING:
    from tests.adapters.nginx.conftest import Site

pytestmark = pytest.mark.nginx

TOO_LONG = "/" + "x" * 5000 + "/"
"""A base path that the grammar allows and nginx does not."""


async def test_what_is_published_is_served_when_publish_returns(site: Site) -> None:
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    for upstream in (first, second) * 3:
        await site.publish(dns=(upstream.member,))
        assert (await site.get("/dns/")).json()["by"] == upstream.address
    assert len(list((site.directory / "conf").iterdir())) <= 2


async def test_an_appliance_may_have_its_endpoint_elsewhere_than_the_tables_say(site: Site) -> None:
    dns = await site.upstream("127.0.0.2")
    table = site.table({"dns": (dns.member,)})
    site.proxy = NginxProxy(site.directory, listen=(table.address, table.port))
    await site.proxy.publish(replace(table, address="127.0.0.1", port=1))
    assert (await site.get("/dns/")).status_code == 200
    assert site.proxy.last_good() == table


async def test_a_refused_table_changes_nothing(site: Site) -> None:
    dns = await site.upstream("127.0.0.2")
    good = site.table({"dns": (dns.member,)})
    await site.proxy.publish(good)
    before = (site.directory / "nginx.conf").readlink()
    with pytest.raises(Rejected, match=r"too long parameter.* in .*\.conf:\d+"):
        await site.proxy.publish(site.table({"dns": (dns.member,)}, base_path=TOO_LONG))
    with pytest.raises(Rejected, match="not a plain path"):
        await site.proxy.publish(site.table({"dns": (dns.member,)}, base_path="/;/"))
    assert (site.directory / "nginx.conf").readlink() == before
    assert site.proxy.last_good() == good
    assert (await site.get("/dns/")).status_code == 200


async def test_a_file_that_only_the_running_nginx_refuses_is_put_back(site: Site, tmp_path: Path) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    before = (site.directory / "nginx.conf").readlink()
    careless = script(tmp_path, "exit 0")
    with pytest.raises(Rejected, match="too long parameter"):
        await NginxProxy(site.directory, str(careless)).publish(site.table({"dns": (dns.member,)}, base_path=TOO_LONG))
    assert (site.directory / "nginx.conf").readlink() == before
    assert (await site.get("/dns/")).headers["connection"] == "keep-alive"


def script(folder: Path, *lines: str) -> Path:
    """Write an executable that is taken for nginx."""
    path = folder / "not-nginx"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(stat.S_IRWXU)
    return path


async def test_no_reload_when_nothing_changed(site: Site) -> None:
    await site.publish(dns=())
    workers = find_workers(site.directory)
    await site.publish(dns=())
    assert workers
    assert all(is_accepting(worker) for worker in workers)


async def test_no_nginx_no_guessing(tmp_path: Path, site: Site) -> None:
    with pytest.raises(Rejected, match="apt-get install nginx-light"):
        await NginxProxy(tmp_path, "no-such-nginx").publish(site.table({}))


async def test_an_nginx_that_cannot_start_says_why(tmp_path: Path, site: Site) -> None:
    broken = script(tmp_path, 'case "$*" in *-t*) exit 0;; esac', "echo 'nginx: [emerg] no luck today' >&2", "exit 1")
    with pytest.raises(Transient, match="nginx does not start: no luck today"):
        await NginxProxy(tmp_path / "nginx", str(broken)).publish(site.table({}))


async def test_trouble_with_files_is_transient(tmp_path: Path, site: Site) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Transient, match="Not a directory"):
        await NginxProxy(tmp_path / "file").publish(site.table({}))


async def test_a_port_in_use_is_named(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = replace(site.table({}), port=port)
        with pytest.raises(Rejected, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            await site.proxy.publish(taken)
        await site.publish(dns=())
        with pytest.raises(Rejected, match=f"cannot listen on 127.0.0.1:{port}"):
            await site.proxy.publish(taken)
    assert (await site.get("/dns/")).status_code == 503
    await site.proxy.publish(taken)  # free by now: nginx moves there
    assert (await site.get(f"http://127.0.0.1:{port}/nothing")).status_code == 404


async def test_ensure_running_starts_the_last_good_table_only_when_it_must(site: Site) -> None:
    assert not await site.proxy.ensure_running()  # nothing was ever published
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    assert not await site.proxy.ensure_running()
    await site.proxy.stop()
    assert find_workers(site.directory) == []
    assert await site.proxy.ensure_running()
    assert (await site.get("/dns/")).json()["by"] == dns.address


async def test_the_next_appliance_adopts_what_runs(site: Site) -> None:
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(first.member,))
    master = site.master()
    successor = NginxProxy(site.directory)
    assert not await successor.ensure_running()
    assert successor.last_good() == site.table({"dns": (first.member,)})
    await successor.publish(site.table({"dns": (second.member,)}))
    assert site.master() == master
    assert (await site.get("/dns/")).json()["by"] == second.address


async def test_an_adopted_nginx_is_brought_back_to_the_last_good_table(site: Site) -> None:
    """The appliance was killed between the reload and its note of it."""
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(first.member,))
    note = site.directory / "last-good.json"
    noted = note.read_bytes()
    await site.publish(dns=(second.member,))
    note.write_bytes(noted)
    assert not await NginxProxy(site.directory).ensure_running()
    assert (await site.get("/dns/")).json()["by"] == first.address


async def test_a_damaged_last_good_table_is_none(site: Site) -> None:
    await site.publish(dns=())
    path = site.directory / "last-good.json"
    path.write_text(path.read_text().replace('"dns"', '"dnt"'))
    assert NginxProxy(site.directory).last_good() is None
    path.write_text("{")
    assert NginxProxy(site.directory).last_good() is None


async def test_wait_dead_waits_for_the_first_start_and_for_the_end(site: Site) -> None:
    async def wait(task_status: trio.TaskStatus[trio.Event]) -> None:
        is_dead = trio.Event()
        task_status.started(is_dead)
        await site.proxy.wait_dead()
        is_dead.set()

    is_dead = await site.nursery.start(wait)
    await trio.testing.wait_all_tasks_blocked()
    assert not is_dead.is_set()
    await site.publish(dns=())
    await trio.testing.wait_all_tasks_blocked()
    assert not is_dead.is_set()
    os.kill(site.master(), signal.SIGKILL)
    with trio.fail_after(30):
        await is_dead.wait()


@pytest.mark.parametrize("is_adopted", [False, True], ids=["started by us", "adopted"])
async def test_workers_that_lost_their_master_are_replaced(site: Site, *, is_adopted: bool) -> None:
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(first.member,))
    orphans = find_workers(site.directory)
    if is_adopted:
        site.proxy._hold(None)  # as the death of the appliance does
        site.proxy = NginxProxy(site.directory)
    proxy = site.proxy
    os.kill(site.master(), signal.SIGKILL)
    await proxy.wait_dead()
    assert (await site.get("/dns/")).status_code == 200  # they go on
    assert await proxy.ensure_running()
    await proxy.publish(site.table({"dns": (second.member,)}))
    assert (await site.get("/dns/")).json()["by"] == second.address
    assert not set(orphans) & set(find_workers(site.directory))


async def test_while_nginx_is_dead_connections_wait_for_the_next_one(site: Site) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    kill_all(site)
    await site.proxy.wait_dead()
    answers: list[int] = []

    async def ask() -> None:
        answers.append((await site.get("/dns/")).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert await site.proxy.ensure_running()
    assert answers == [200] * 5


def kill_all(site: Site) -> None:
    master = find_master(site.directory, site.directory / "nginx.pid")
    assert master is not None
    for member in (master, *find_workers(site.directory)):
        os.kill(member.pid, signal.SIGKILL)


async def test_stop_lets_open_requests_end(site: Site) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(b"POST /dns/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\na")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.proxy.stop)
            await trio.testing.wait_all_tasks_blocked()
            await stream.send_all(b"b")
            answer = b"".join([part async for part in stream])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert find_master(site.directory, site.directory / "nginx.pid") is None
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", site.port)


async def test_reloads_under_load_lose_no_request(site: Site) -> None:
    """Keep-alive, no retries; see NginxProxy on clients that are told to leave before a reload."""
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(first.member, second.member))
    reports: list[LoadReport] = []
    stop = trio.Event()

    async def load() -> None:
        url = f"http://127.0.0.1:{site.port}/dns/"
        reports.append(await steady([url], rate=100, stop=stop, connections=4, timeout_s=math.inf))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        for _ in range(5):
            await site.publish(dns=(first.member,))
            await site.publish(dns=(first.member, second.member))
        stop.set()
    assert reports[0].failures == ()
    assert reports[0].ok > 50


async def test_a_reload_waits_until_a_client_has_been_told_to_leave(site: Site) -> None:
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    site.proxy = NginxProxy(site.directory, leave_within_s=math.inf)
    await site.publish(dns=(first.member,))
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream, trio.open_nursery() as nursery:
        assert b"Connection: keep-alive" in await asked(stream)
        nursery.start_soon(partial(site.publish, dns=(first.member, second.member)))
        with trio.fail_after(60):
            while not list((site.directory / "conf").glob("*.leaving")):  # noqa: ASYNC110
                await trio.sleep(0.01)
            assert b"Connection: close" in await asked(stream)
            assert await stream.receive_some() == b""
    assert not list((site.directory / "conf").glob("*.leaving"))


async def test_a_new_traffic_epoch_waits_for_no_client(site: Site) -> None:
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    site.proxy = NginxProxy(site.directory, leave_within_s=math.inf)
    await site.publish(dns=(first.member,))
    table = site.table({"dns": (second.member,)})
    moved = {name: replace(route, epoch=1) for name, route in table.routes.items()}
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        assert b"Connection: keep-alive" in await asked(stream)
        with trio.fail_after(60):
            await site.proxy.publish(replace(table, routes=moved))
        assert await stream.receive_some() == b""
    assert (await site.get("/dns/")).json()["by"] == "127.0.0.3"


async def asked(stream: trio.SocketStream) -> bytes:
    """Ask over a connection that is kept, and give all of the answer: its body is JSON without an end of line."""
    await stream.send_all(b"GET /dns/ HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        answer += await stream.receive_some()
    return answer


async def test_long_logs_are_put_aside(site: Site) -> None:
    await site.publish(dns=())
    log = site.directory / "logs" / "access.log"
    os.truncate(log, LOG_SIZE_MAX + 1)
    master = find_master(site.directory, site.directory / "nginx.pid")
    assert master is not None
    site.proxy.rotate_logs(master)
    with trio.fail_after(30):
        while not log.exists():  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert log.with_suffix(".log.1").stat().st_size > LOG_SIZE_MAX
    assert not Files(site.directory).rotate_logs()
