"""The command line of QEMU for a guest: one machine, whether it is booted for its state or started from that.

A state fits the very machine that it was taken of: what is guest-visible is written here, once for both. The rest
differs: how memory is mapped, where the disk, the identity and the console lie, what the network lets in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

QEMU: Final = "qemu-system-x86_64"
QEMU_IMG: Final = "qemu-img"
IDENTITY: Final = "opt/hfs/identity"
"""Name under which the guest finds its identity among the files of its firmware (fw_cfg)."""
IDENTITY_BYTES: Final = 64 * 1024
"""Size of that file, of blanks at its end: the guest learns sizes once, before its state is saved."""
HOST: Final = "10.0.2.2"
"""The loopback interface of this machine, as QEMU's user network shows it to a guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a guest is made of: files of this machine."""

    image: Path
    """Directory with `kernel` and `initramfs`."""
    executable: Path
    """hfs itself: the guest's second disk."""
    executable_bytes: int
    memory_mib: int
    memory: Path
    """File behind the guest's memory."""
    is_memory_shared: bool
    """Whether what the guest writes goes into that file, or stays its own."""
    disk: Path
    identity: Path
    console: Path
    """Gets what the guest writes to its console, at the end."""
    forwards: Sequence[str] = ()
    """`ADDRESS:PORT`, which lead to the same address and port inside."""


def arguments(parts: Parts) -> list[str]:
    """Give all arguments but those that say who carries out the guest's instructions."""
    kernel = f"console=ttyS0 quiet panic=-1 mitigations=off hfs.size={parts.executable_bytes}"
    share = "on" if parts.is_memory_shared else "off"
    size = f"{parts.memory_mib}M"
    return [
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-smp", "1"),
        *("-machine", "q35,memory-backend=memory", "-m", size, "-rtc", "base=utc,clock=host"),
        *("-object", f"memory-backend-file,id=memory,size={size},mem-path={_word(parts.memory)},share={share}"),
        *("-kernel", str(parts.image / "kernel"), "-initrd", str(parts.image / "initramfs"), "-append", kernel),
        *_disk("root", f"file={_word(parts.disk)},format=qcow2,cache=writeback"),
        *_disk("hfs", f"file={_word(parts.executable)},format=raw,readonly=on"),
        *("-device", "virtio-rng-pci"),
        *("-netdev", ",".join(["user,id=net", *(f"hostfwd=tcp:{place}-{place}" for place in parts.forwards)])),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-fw_cfg", f"name={IDENTITY},file={_word(parts.identity)}"),
        *("-chardev", f"file,id=console,path={_word(parts.console)},append=on", "-serial", "chardev:console"),
    ]


def _disk(name: str, drive: str) -> Sequence[str]:
    return ("-drive", f"if=none,id={name},{drive}", "-device", f"virtio-blk-pci,drive={name}")


def _word(path: Path) -> str:
    return str(path).replace(",", ",,")  # a comma ends a value of QEMU's options unless it is doubled
