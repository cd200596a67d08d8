"""The one file that is carried: a new server fetches it as its user data says, believes its sum, and is a server."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.userdata import FETCH, IDENTITY_FILE, Download, user_data
from hfs_appliance.adapters.process import spawn_detached, terminate
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.instants import seconds
from hfs_appliance.ports.registry import Registry, SessionState
from hfs_appliance.registry.paths import Layout
from hfs_appliance.web.executable import build, open_executable
from hfs_appliance.web.listener import serve
from tests.support.clouds import spec
from tests.support.registries import wait_state
from tests.support.zookeeper import embedded

pytestmark = pytest.mark.e2e

ENVIRONMENT = EnvironmentName("first")
SERVER = ServerId("small-0001")


def unpack(text: str, root: Path) -> Mapping[str, Path]:
    """Write the files of user data as cloud-init would, below a directory in place of the root; nothing leads out."""
    written = {}
    for file in json.loads(base64.b64decode(text).decode().partition("\n")[2])["write_files"]:
        place = written[file["path"]] = root / file["path"].removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        content = file["content"]
        for path in ("/usr/local/bin/hfs", IDENTITY_FILE, FETCH):
            content = content.replace(path, f"{root}{path}")
        place.write_text(content)
        place.chmod(int(file["permissions"], 8))
    (root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    return written


def fetch(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", f"{root}{FETCH}"], capture_output=True, text=True)


async def wait_warm(session: Registry, layout: Layout) -> None:
    while SERVER not in await session.children(layout.pool):  # noqa: ASYNC110  # a look now and then is enough here
        await trio.sleep(0.05)


async def test_a_new_server_needs_no_more_than_its_user_data(executable: Path, tmp_path: Path) -> None:
    opened, shutdown, layout = open_executable(executable), trio.Event(), Layout(ENVIRONMENT)
    async with embedded(tmp_path / "registry") as registry, trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, build(opened, lambda _: None), "127.0.0.1", 0, shutdown=shutdown))
        url = f"http://127.0.0.1:{port}/hfs"
        asked = replace(spec(ENVIRONMENT, SERVER), registry_hosts=registry.hosts)

        wrong = tmp_path / "wrong"
        unpack(user_data(asked, Download(url=url, sha256="0" * 64)), wrong)
        assert (await trio.to_thread.run_sync(fetch, wrong)).returncode != 0
        assert not (wrong / "usr/local/bin/hfs").exists(), "what is not meant is not put in place"

        root = tmp_path / "root"
        files = unpack(user_data(asked, Download(url=url, sha256=opened.sha256)), root)
        (root / "usr/local/bin/hfs").write_text("an older one, of the image")
        done = await trio.to_thread.run_sync(fetch, root)
        assert done.returncode == 0, done.stderr
        assert hashlib.sha256((root / "usr/local/bin/hfs").read_bytes()).hexdigest() == opened.sha256
        shutdown.set()

        (unit,) = [path.read_text() for path in files.values() if path.suffix == ".service"]
        (start,) = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("ExecStart=")]
        async with connect(registry.hosts, session_timeout=seconds(5), clock=SystemClock()) as session:
            await wait_state(session, SessionState.CONNECTED)
            for parent in layout.parents:
                await session.create(parent)
            agent = spawn_detached(shlex.split(start), log=tmp_path / "agent.log")
            try:
                with trio.fail_after(60):
                    await wait_warm(session, layout)
            finally:
                await terminate(agent, 5)
    opened.close()
    again = await trio.to_thread.run_sync(fetch, root)
    assert again.returncode == 0, "what is there is not fetched again, whoever serves it"
