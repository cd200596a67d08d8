"""Guests of QEMU as a flavour of the local provider: each is started from one saved state, in less than a second.

The state is that of a guest whose agent has loaded all its code and waits for its identity (agent/guest.py). Its
memory is a file that every guest maps for itself: what they only read they share, what one writes is its own. Nothing
has to be sent to a guest once it runs, so no instant is bad for us to die at: its identity lies in a file of its
firmware, and what resumes it is QEMU's own standard input.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Final

from hfs_appliance.adapters.local.machine import Machine
from hfs_appliance.adapters.process import replace_file
from hfs_appliance.adapters.qemu.command import HOST, IDENTITY_BYTES, QEMU, QEMU_IMG, Parts, arguments
from hfs_appliance.adapters.qemu.monitor import CAPABILITIES, IGNORE_SHARED
from hfs_appliance.adapters.qemu.saved import Ingredients, Saved
from hfs_appliance.model.desired import GuestSettings
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.strain import AGENT_PORT
from hfs_appliance.ports.errors import Rejected

_INIT: Final = """
state=$1 makings=$2
shift 2
until [ -d "$state" ]; do
  eval "$makings" || sleep 1
done
qemu-img create -q -f qcow2 -F qcow2 -b "$state/disk" disk
read -r accelerator processor <"$state/accelerator"
exec "$@" -accel "$accelerator" -cpu "$processor" -incoming defer -qmp stdio <resume >monitor.log
"""
"""Run in the machine's directory; becomes QEMU once there is a state to start from. The first server makes that."""


class Guests:
    """Servers that are virtual machines, each behind a network of its own that QEMU's user mode makes."""

    def __init__(self, settings: GuestSettings, root: Path, command: Sequence[str]) -> None:
        self._settings: Final = settings
        self._image: Final = Path(settings.image).absolute()
        self._saved: Final = Path(settings.saved).absolute() if settings.saved else root.absolute() / ".saved"
        self._command: Final = tuple(command)

    def fit(self, identity: Identity) -> Identity:
        """Give the registry's address as the guest sees it, where that is on the loopback interface of this machine.

        Errors: Rejected.
        """
        self._ingredients()
        hosts = tuple(f"{HOST}:{_port(place)}" if _is_here(place) else place for place in identity.registry_hosts)
        return replace(identity, registry_hosts=hosts)

    def init(self, machine: Machine) -> Sequence[str]:
        """Write the guest's identity and how it is resumed; give the shell that becomes QEMU. Errors: Rejected."""
        saved = Saved(self._saved, self._ingredients())
        place, state = machine.place.absolute(), saved.place
        content = machine.identity_file.read_bytes()
        if len(content) > IDENTITY_BYTES:
            raise Rejected(f"an identity of {len(content)} bytes does not fit into {IDENTITY_BYTES}")
        replace_file(place / "firmware", content.ljust(IDENTITY_BYTES))
        replace_file(place / "resume", _resume(state))
        parts = Parts(
            image=self._image,
            executable=state / "hfs",
            executable_bytes=saved.ingredients.executable.stat().st_size,
            memory_mib=self._settings.memory_mib,
            memory=state / "memory",
            is_memory_shared=False,
            disk=place / "disk",
            identity=place / "firmware",
            console=place / "agent.log",
            forwards=[f"{machine.facts.address}:{port}" for port in (*self._settings.ports, AGENT_PORT)],
        )
        return ["/bin/sh", "-c", _INIT, "init", str(state), shlex.join(saved.command), QEMU, *arguments(parts)]

    def is_booting(self, machine: Machine, now: Instant) -> bool:
        """Tell whether QEMU has not told yet that the guest goes on from the state."""
        del now
        try:
            return b'"RESUME"' not in (machine.place / "monitor.log").read_bytes()
        except FileNotFoundError:
            return True

    def _ingredients(self) -> Ingredients:
        missing = [name for name in (QEMU, QEMU_IMG) if which(name) is None]
        if missing:
            raise Rejected(f"{' and '.join(missing)} cannot be found: install qemu-system-x86 and qemu-utils")
        if len(self._command) != 1:
            raise Rejected("a guest needs hfs as one file, which this one does not run from: ./build.sh zipapp")
        for file in ("kernel", "initramfs", "disk"):
            if not (self._image / file).exists():
                raise Rejected(f"there is no {file} in {self._image}: ./build.sh guest")
        executable = Path(self._command[0]).absolute()
        return Ingredients(image=self._image, executable=executable, memory_mib=self._settings.memory_mib)


def _is_here(place: str) -> bool:
    return place.rpartition(":")[0] in ("127.0.0.1", "localhost")


def _port(place: str) -> str:
    return place.rpartition(":")[2]


def _resume(state: Path) -> bytes:
    incoming = {"execute": "migrate-incoming", "arguments": {"uri": f"exec:cat {shlex.quote(str(state / 'state'))}"}}
    return b"".join(json.dumps(command).encode() + b"\n" for command in (CAPABILITIES, IGNORE_SHARED, incoming))
