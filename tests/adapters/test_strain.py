"""What is made of the answers of agents, and of what is none, over real sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.process import identify
from hfs_appliance.adapters.strain import HttpStrain
from hfs_appliance.adapters.usage import used_ms
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.meter import Meter
from hfs_appliance.agent.service import INSTANCE_MARK
from hfs_appliance.agent.site import Site
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.strain import Strain
from tests.support.registries import CLOCK
from tests.support.sites import site_of

WITHIN = seconds(0.2)
GOOD = {"cpu": 420, "load": 130}


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (answer(json.dumps(GOOD).encode()), Strain(cpu=420, load=130)),
        (answer(b'{"cpu": null, "load": 0}'), Strain(cpu=None, load=0)),
        (answer(b'{"cpu": -1, "load": 0}'), Strain(cpu=None, load=0)),
        (answer(b'{"cpu": 1, "load": true}'), None),
        (answer(b"[]"), None),
        (answer(b"{"), None),
        (answer(b"x" * 5000), None),
        (answer(b"{}", "404 Not Found"), None),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None),
        (b"", None),
        (None, None),
    ],
)
async def test_only_figures_are_figures(sent: bytes | None, found: Strain | None) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if sent is None:
            await trio.sleep_forever()
        else:
            await stream.send_all(sent)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        assert await HttpStrain(listener.socket.getsockname()[1]).ask("127.0.0.1", within=WITHIN) == found
        nursery.cancel_scope.cancel()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of(tmp_path, "test", nonce=f"{os.getpid():x}")


@pytest.fixture
def spinning(site: Site) -> Iterator[int]:
    """Have a process of the instance keep one processor busy."""
    environment = os.environ | {INSTANCE_MARK: site.mark}
    with subprocess.Popen([sys.executable, "-c", "while True: pass"], env=environment) as child:
        yield child.pid
        child.kill()


async def free_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = int(listener.socket.getsockname()[1])
    await listener.aclose()
    return port


async def test_an_agent_tells_what_its_instance_uses(site: Site, spinning: int) -> None:
    port = await free_port()
    meter, source = Meter(site, CLOCK, Log(CLOCK), port=port, span=seconds(0.05)), HttpStrain(port)
    process = identify(spinning)
    assert process is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(meter.run)
        with trio.fail_after(20):
            first = await source.ask("127.0.0.1", within=seconds(2))
            while first is None:
                first = await source.ask("127.0.0.1", within=seconds(2))
            assert first.cpu is None, "there is no span yet"
            found: Strain | None = None
            while found is None or not found.cpu:
                found = await source.ask("127.0.0.1", within=seconds(2))
        assert used_ms([process]) > 0
        nursery.cancel_scope.cancel()


async def test_an_agent_works_on_when_its_port_is_taken(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with listeners[0]:
        await Meter(site, CLOCK, Log(CLOCK), port=port).run()
    told = capsys.readouterr()
    assert "nobody can ask how busy this server is" in told.out + told.err
