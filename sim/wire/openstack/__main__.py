"""`hfs fake-openstack`: a cloud on this machine, whose servers are processes: an OpenStack to try hfs on."""

from __future__ import annotations

import argparse
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.process import own_command
from sim.machine import Pace
from sim.streams import Table
from sim.wire.openstack.http import serve
from sim.wire.openstack.machines import Machines
from sim.wire.openstack.network import NETWORK
from sim.wire.openstack.whole import openstack, write_clouds_yaml

PACE: Final = Pace(
    api=Table.of_ms((0, 10), (500, 40), (1000, 200)),
    building=Table.of_ms((0, 1_500), (500, 2_300), (1000, 4_000)),
    deleting=Table.of_ms((0, 500), (1000, 1_000)),
)
"""As a small cloud that has nothing else to do."""


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; 0 then, 1 (and a sentence on stderr) when it cannot start."""
    parser = argparse.ArgumentParser(prog="hfs fake-openstack", description="An OpenStack cloud of processes.")
    parser.add_argument("--port", type=int, default=5000, help="on 127.0.0.1; 0 chooses a free one")
    parser.add_argument(
        "--directory", type=Path, required=True, help="where clouds.yaml and the servers' disks are put"
    )
    parser.add_argument("--network", default="127.78.0.0/16", help="loopback network of the servers")
    parser.add_argument("--quota", type=int, help="servers that there may be")
    options = parser.parse_args(argv)
    exit_code = 0
    try:
        trio.run(_run, options)
    except* OSError as failures:
        exit_code = 1
        sys.stderr.write(f"fake-openstack: cannot serve on 127.0.0.1:{options.port}: {failures.exceptions[0]}\n")
    return exit_code


async def _run(options: argparse.Namespace) -> None:
    options.directory.mkdir(parents=True, exist_ok=True)
    machines = Machines(options.directory.absolute() / "servers", own_command())
    machines.clear()
    fake = openstack(pace=PACE, birth=machines.birth, networks={NETWORK: options.network})
    machines.servers = fake.compute.servers
    fake.cloud.faults.quota = options.quota
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(partial(serve, fake.cloud.handle, "127.0.0.1", options.port))
            nursery.start_soon(fake.cloud.run)
            file = write_clouds_yaml(options.directory, port).absolute()
            sys.stdout.write(f"fake-openstack: serving http://127.0.0.1:{port}\n")
            sys.stdout.write(f"export OS_CLIENT_CONFIG_FILE={file} OS_CLOUD=fake\n")
            sys.stdout.flush()
            async for _ in received:
                nursery.cancel_scope.cancel()
    machines.clear()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
