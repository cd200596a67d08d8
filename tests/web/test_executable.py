"""hfs served to new servers: what HTTP promises of it, and what `hfs run` tells servers of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from hfs_appliance import supplies
from hfs_appliance.adapters.openstack.userdata import Download
from hfs_appliance.config import load_file
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.desired import Executable
from hfs_appliance.model.recipe import Archive, Puppet
from hfs_appliance.web.executable import build, open_executable
from hfs_appliance.web.listener import serve

CONTENT = bytes(range(256)) * 3000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hfs"
    path.write_bytes(CONTENT)
    return path


@asynccontextmanager
async def served(file: Path) -> AsyncGenerator[httpx.AsyncClient, None]:
    executable, shutdown = open_executable(file), trio.Event()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, build(executable, lambda _: None), "127.0.0.1", 0, shutdown=shutdown))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            yield client
        shutdown.set()
    executable.close()


async def test_it_is_given_whole_and_named_by_its_content(file: Path) -> None:
    async with served(file) as client:
        told, head = await client.get("/hfs"), await client.head("/hfs")
    assert told.content == CONTENT
    assert head.content == b""
    for answer in (told, head):
        assert answer.headers["etag"] == f'"{SHA256}"'
        assert int(answer.headers["content-length"]) == len(CONTENT)


async def test_who_has_it_already_is_not_given_it_again(file: Path) -> None:
    async with served(file) as client:
        same = await client.get("/hfs", headers={"if-none-match": f'"other", W/"{SHA256}"'})
        other = await client.get("/hfs", headers={"if-none-match": '"other"'})
    assert (same.status_code, same.content) == (304, b"")
    assert (other.status_code, other.content) == (200, CONTENT)


async def test_another_file_in_its_place_is_not_what_was_promised(file: Path) -> None:
    async with served(file) as client:
        (file.parent / "new").write_bytes(b"another version")
        (file.parent / "new").replace(file)
        assert (await client.get("/hfs")).content == CONTENT


async def test_many_servers_get_it_at_once(file: Path) -> None:
    contents: list[bytes] = []

    async def fetch(client: httpx.AsyncClient) -> None:
        contents.append((await client.get("/hfs")).content)

    async with served(file) as client, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(fetch, client)
    assert contents == [CONTENT] * 20


async def test_nothing_else_is_there(file: Path) -> None:
    async with served(file) as client:
        assert (await client.get("/")).status_code == 404
        assert (await client.get("/api/v1/status")).status_code == 404
        assert (await client.post("/hfs")).status_code == 405


def handing_out(
    executable: Executable, state: Path, archive: Archive | None = None
) -> AbstractAsyncContextManager[supplies.Supplies]:
    desired, _ = load_file(Path(__file__).parents[2] / "configs" / "openstack.toml")
    openstack = replace(desired.cloud.openstack, executable=executable)
    if archive is not None:
        pool = next(iter(desired.pools.values()))
        pool = replace(pool, recipe=replace(pool.recipe, puppet=Puppet(archive=archive)))
        desired = replace(desired, pools={pool.name: pool})
    return supplies.handing_out(replace(desired, cloud=replace(desired.cloud, openstack=openstack)), state, listen=None)


async def test_servers_are_told_where_the_appliance_serves_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "zipapp_path", lambda: file)
    by_default = Executable(listen=Place("127.0.0.1", 0))
    async with (
        handing_out(by_default, tmp_path) as supplied,
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
    ):
        download = supplied.download
        assert download is not None
        assert download.sha256 == SHA256
        assert (await client.get(download.url)).content == CONTENT
    behind = Executable(listen=Place("127.0.0.1", 0), url="http://10.0.0.1:81/hfs")
    async with handing_out(behind, tmp_path) as supplied:
        reached = Download(url="http://10.0.0.1:81/hfs", sha256=SHA256)
        assert supplied.download == reached, "an address that servers reach"


async def test_nothing_is_served_where_servers_get_it_elsewhere(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "zipapp_path", lambda: file)
    elsewhere = Executable(url="http://10.0.0.1/hfs", sha256="0" * 64)
    async with handing_out(elsewhere, tmp_path) as supplied:
        assert supplied.download == Download(url=elsewhere.url, sha256=elsewhere.sha256)
    async with handing_out(Executable(in_image=True), tmp_path) as supplied:
        assert supplied == supplies.Supplies()
    monkeypatch.setattr(supplies, "zipapp_path", lambda: None)
    async with handing_out(Executable(), tmp_path) as supplied:
        assert supplied == supplies.Supplies(), "a source tree is no file"


async def test_a_port_that_is_taken_is_said_before_anything_is_built(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "zipapp_path", lambda: file)
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = taken.socket.getsockname()[1]
    with pytest.raises(ExceptionGroup) as failed:
        async with handing_out(Executable(listen=Place("127.0.0.1", port)), tmp_path):
            raise AssertionError("it is taken")
    await taken.aclose()
    assert failed.group_contains(supplies.CannotStart, match="another program listens there.*--executable")


async def test_modules_are_lent_and_fetched_by_their_sum(tmp_path: Path, file: Path) -> None:
    archive = Archive(sha256=SHA256, file=str(file))
    in_image = Executable(in_image=True, listen=Place("127.0.0.1", 0))
    async with (
        handing_out(in_image, tmp_path, archive) as supplied,
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
    ):
        assert supplied.download is None
        assert supplied.shelf is not None
        lent = await supplied.shelf.lend(archive)
        assert lent.file is None
        assert lent.url is not None
        assert (await client.get(lent.url)).content == CONTENT
        base = lent.url.removesuffix(SHA256)
        for nothing in (f"{base}{'0' * 64}", f"{base}draft", f"{base}..%2fhfs.lock", base.replace("modules/", "hfs")):
            assert (await client.get(nothing)).status_code == 404
        assert await supplied.shelf.lend(replace(archive, file="/nowhere")) == lent, "it is kept"


async def test_behind_an_address_of_its_own_modules_are_there_too(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "zipapp_path", lambda: file)
    behind = Executable(listen=Place("127.0.0.1", 0), url="http://10.0.0.1:81/hfs")
    async with handing_out(behind, tmp_path) as supplied:
        assert supplied.shelf is not None
        lent = await supplied.shelf.lend(Archive(sha256=SHA256, file=str(file)))
    assert lent.url == f"http://10.0.0.1:81/modules/{SHA256}"
