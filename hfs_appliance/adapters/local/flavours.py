"""What a server of the local provider is: processes of this machine, or a guest of QEMU (adapters/qemu/)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from hfs_appliance.adapters.local.machine import Machine
from hfs_appliance.adapters.qemu.guests import Guests
from hfs_appliance.model.desired import LocalCloud, MachineKind
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.instants import Duration, Instant, after, to_seconds

_INIT: Final = """
sleep "$1"
shift
until "$@"; do sleep 1; done
"""
"""What a VM does: boot, then keep the agent running until it says (status 0) that its work is done."""


class Flavour(Protocol):
    """How a machine is started, and how it is seen whether it has booted."""

    def fit(self, identity: Identity) -> Identity:
        """Give what the agent is told, in words that are true where it runs. Errors: Rejected."""
        ...

    def init(self, machine: Machine) -> Sequence[str]:
        """Prepare whatever a machine needs to be started, and give the command of its init. Errors: Rejected."""
        ...

    def is_booting(self, machine: Machine, now: Instant) -> bool:
        """Tell whether a machine that runs has not booted yet."""
        ...


@dataclass(frozen=True, slots=True)
class Processes:
    """Servers that are process groups: they share everything with this machine but an address."""

    boot: Duration
    command: Sequence[str]
    """Starts hfs."""

    def fit(self, identity: Identity) -> Identity:
        """Leave it as it is."""
        return identity

    def init(self, machine: Machine) -> Sequence[str]:
        """Give a shell that sleeps for as long as a boot takes, then starts the agent."""
        agent = [*self.command, "agent", "--identity", str(machine.identity_file.absolute())]
        return ["/bin/sh", "-c", _INIT, "init", f"{to_seconds(self.boot):.3f}", *agent]

    def is_booting(self, machine: Machine, now: Instant) -> bool:
        """Tell whether the time that a boot takes is not over."""
        return now < after(machine.facts.created_at, self.boot)


def flavour_of(settings: LocalCloud, root: Path, command: Sequence[str]) -> Flavour:
    """Give the flavour that the operator chose, for servers below `root` whose agent `command` starts."""
    match settings.machine:
        case MachineKind.PROCESSES:
            return Processes(settings.boot, command)
        case MachineKind.QEMU:
            return Guests(settings.guest, root, command)
