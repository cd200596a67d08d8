"""`python -m sim.wire.zookeeper`: the embedded registry as a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import trio

from sim.wire.zookeeper.server import serve
from sim.wire.zookeeper.storage import Damaged, Locked


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; 0 then, 1 (and a sentence on stderr) when it cannot start."""
    parser = argparse.ArgumentParser(prog="hfs registry", description="A registry for one machine; speaks ZooKeeper.")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2181, help="0 chooses a free one")
    parser.add_argument("--data", type=Path, required=True, help="directory that everything is kept in")
    parser.add_argument("--tick-ms", type=int, default=500, help="sessions last 2 to 20 ticks")
    options = parser.parse_args(argv)
    exit_code = 0
    try:
        trio.run(_run, options.address, options.port, options.data, options.tick_ms)
    except* (OSError, Locked, Damaged) as failures:
        exit_code = 1
        for failure in _leaves(failures):
            sys.stderr.write(f"registry: cannot serve {options.data} at {options.address}:{options.port}: {failure}\n")
    return exit_code


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for part in failure.exceptions:
            yield from _leaves(part)
    else:
        yield failure


async def _run(address: str, port: int, data: Path, tick_ms: int) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(serve, address, port, data, tick_ms=tick_ms))
            sys.stdout.write(f"registry: serving {address}:{bound}\n")
            sys.stdout.flush()
            async for _ in received:
                nursery.cancel_scope.cancel()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
