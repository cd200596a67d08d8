"""Modules are fetched whole, and only if they are what was meant."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import trio

from hfs_appliance.agent.puppet.modules import fetch
from hfs_appliance.agent.tool import StepError
from hfs_appliance.model.recipe import Archive, Puppet, Repository


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Give the URL of a web server for the test's directory."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(tmp_path))) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def _packed(modules: Path, around: str) -> str:
    """Pack the modules beside themselves; give the sha256."""
    file = modules.with_name("m.tar.gz")
    with tarfile.open(file, "w:gz") as archive:
        archive.add(modules, arcname=around)
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("around", [".", "puppet-1.0"])
async def test_an_archive_is_unpacked_with_or_without_a_directory_around_it(
    web: str, tmp_path: Path, modules: Path, around: str
) -> None:
    into = tmp_path / "environments" / "hfs"
    await fetch(Puppet(archive=Archive(url=f"{web}/m.tar.gz", sha256=_packed(modules, around))), into)
    assert (into / "modules" / "base" / "manifests" / "init.pp").exists()
    assert [path.name for path in into.parent.iterdir()] == ["hfs"]


async def test_an_archive_that_is_not_the_one_that_was_meant_is_not_unpacked(
    web: str, tmp_path: Path, modules: Path
) -> None:
    found = _packed(modules, ".")
    into = tmp_path / "environments" / "hfs"
    with pytest.raises(StepError, match=rf"m\.tar\.gz has sha256 {found}, not {'0' * 64}"):
        await fetch(Puppet(archive=Archive(url=f"{web}/m.tar.gz", sha256="0" * 64)), into)
    assert not into.exists()
    await fetch(Puppet(archive=Archive(url=f"{web}/m.tar.gz", sha256=found)), into)
    assert (into / "modules").exists()


async def test_an_archive_of_this_machine_is_read_where_it_lies(tmp_path: Path, modules: Path) -> None:
    into, found = tmp_path / "environments" / "hfs", _packed(modules, ".")
    file = str(tmp_path / "m.tar.gz")
    with pytest.raises(StepError, match=rf"m\.tar\.gz has sha256 {found}, not"):
        await fetch(Puppet(archive=Archive(file=file, sha256="0" * 64)), into)
    await fetch(Puppet(archive=Archive(file=file, sha256=found)), into)
    assert (into / "modules" / "base" / "manifests" / "init.pp").exists()


async def test_an_archive_that_is_not_there_is_told(web: str, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"cannot fetch http://.*/none\.tar: HTTP Error 404"):
        await fetch(Puppet(archive=Archive(url=f"{web}/none.tar", sha256="0" * 64)), tmp_path / "hfs")


async def test_a_repository_is_checked_out_at_its_commit(tmp_path: Path, modules: Path) -> None:
    git = ["git", "-C", str(modules), "-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=one"]):
        await trio.run_process([*git, *words])
    revision = (await trio.run_process([*git, "rev-parse", "HEAD"], capture_stdout=True)).stdout.decode().strip()
    into = tmp_path / "environments" / "hfs"
    await fetch(Puppet(repository=Repository(url=f"file://{modules}", revision=revision)), into)
    assert sorted(path.name for path in into.iterdir()) == ["modules"]
    with pytest.raises(StepError, match=r"git .* fetch .* ended with status"):
        await fetch(Puppet(repository=Repository(url=f"file://{modules}", revision="0" * 40)), tmp_path / "other")


async def test_a_directory_is_copied_or_told(tmp_path: Path, modules: Path) -> None:
    await fetch(Puppet(directory=str(modules)), tmp_path / "hfs")
    assert (tmp_path / "hfs" / "modules" / "base").exists()
    with pytest.raises(StepError, match="cannot copy the modules from /nowhere"):
        await fetch(Puppet(directory="/nowhere"), tmp_path / "other")
