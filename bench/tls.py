"""TLS before a server that speaks none, with one certificate for both sides: for clients that insist on it."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio


def certificate(directory: Path) -> Path:
    """Make a key and its certificate, in one file."""
    key, made, both = directory / "key.pem", directory / "certificate.pem", directory / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hfs-bench"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both


@asynccontextmanager
async def encrypted(host: str, pem: Path) -> AsyncIterator[int]:
    """Have a port that leads to `address:port` through TLS."""
    address, _, port = host.rpartition(":")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)

    async def converse(outside: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with await trio.open_tcp_stream(address, int(port)) as inside, trio.open_nursery() as nursery:
                nursery.start_soon(hand_on, outside, inside, nursery.cancel_scope)
                nursery.start_soon(hand_on, inside, outside, nursery.cancel_scope)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, converse, [trio.SSLListener(listener, context)])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def hand_on(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream, both: trio.CancelScope) -> None:
    """Hand on what comes until one side has ended; then both have."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while content := await source.receive_some(65_536):
            await sink.send_all(content)
    both.cancel()
