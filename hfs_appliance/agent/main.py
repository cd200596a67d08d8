"""`hfs agent --identity FILE`: the agent's own composition root.

Exit status 0 means that this server's work is done for good; whoever keeps the agent running (the init of a local
server, systemd on a VM) starts it again after any other.
"""

from __future__ import annotations

import os
import signal as signals
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.clock import SystemClock, SystemEntropy
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.agent.address import own_address
from hfs_appliance.agent.agent import run_agent
from hfs_appliance.agent.log import keep_bounded
from hfs_appliance.model.identity import Identity
from hfs_appliance.registry.formats import FormatError, read_identity

_WAS_ASKED_TO_END: Final = 128 + signals.SIGTERM
_CRASHED: Final = os.EX_SOFTWARE


def main(identity_file: Path) -> int:
    """Run the agent of the server that the file describes, in the file's directory; give the exit status."""
    try:
        identity = read_identity(identity_file.read_bytes())
        if not identity.address:
            identity = replace(identity, address=own_address(identity.registry_hosts))
    except (OSError, FormatError) as error:
        sys.stderr.write(f"hfs agent: {identity_file}: {error}\n")
        return os.EX_CONFIG
    return trio.run(_run, identity, identity_file.absolute().parent)


async def _run(identity: Identity, directory: Path) -> int:
    clock = SystemClock()
    status = _WAS_ASKED_TO_END
    async with connect(identity.registry_hosts, session_timeout=identity.session_timeout, clock=clock) as registry:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_on_signal, nursery.cancel_scope)
                nursery.start_soon(keep_bounded, directory / "agent.log")
                await run_agent(identity, directory, registry, clock, SystemEntropy())
                status = os.EX_OK
                nursery.cancel_scope.cancel()
        except Exception:  # noqa: BLE001  # whatever it was, it ends here
            # Our own mistake must not take a healthy instance out of traffic: the session is left to the next agent.
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(_CRASHED)
    return status


async def _end_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signals.SIGTERM, signals.SIGINT) as received:
        async for _ in received:
            scope.cancel()
