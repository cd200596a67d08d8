"""The saved state that guests are started from: what it depends on, and how it is made.

    executable's copy `hfs`, `disk`, `memory`, `state`, `accelerator`      below <saved>/<key>

The key tells what it was made of, so a new hfs or a new image gets a state of its own, and the one before goes. The
directory appears whole or not at all. A machine may have a /dev/kvm on which a guest hangs, so KVM is tried by booting,
with a time limit; where it fails, QEMU carries the guest's instructions out in software.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from hfs_appliance.adapters.process import locked, own_command
from hfs_appliance.adapters.qemu.command import IDENTITY_BYTES, QEMU, QEMU_IMG, Parts, arguments
from hfs_appliance.adapters.qemu.monitor import IGNORE_SHARED, Monitor, MonitorError

READY: Final = "hfs guest: waits for its identity"
"""What a guest's agent writes to its console once there is nothing left to load."""
COMMAND: Final = "guest-state"
"""The command of hfs that makes a state."""

_FORMAT: Final = 1
"""Rises with every change of the machine or of what lies in the directory."""
_ENDS_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
"""Before the guest's command, of util-linux: a guest that is not saved is nobody's once we are killed (prctl(2))."""
_LOOK_SECONDS: Final = 0.05
_MONITOR_SECONDS: Final = 30.0


class StateError(Exception):
    """No state could be made; the words say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """Who carries out a guest's instructions."""

    name: str
    processor: str
    boot_seconds: float
    """How long a boot may take before it is given up."""


KVM: Final = Accelerator(name="kvm", processor="host", boot_seconds=20)
SOFTWARE: Final = Accelerator(name="tcg", processor="max", boot_seconds=900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What a state is made of."""

    image: Path
    executable: Path
    memory_mib: int

    def key(self) -> str:
        """Name them shortly: files by size and time of change, not by content, for this is asked for every server."""
        files = [self.executable, *(self.image / name for name in ("kernel", "initramfs", "disk")), Path(_qemu())]
        stats = [(str(file), (known := file.stat()).st_size, known.st_mtime_ns) for file in files]
        return sha256(repr((_FORMAT, self.memory_mib, stats)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Saved:
    """Where states lie, and the ingredients of the one that is meant."""

    root: Path
    ingredients: Ingredients

    @property
    def place(self) -> Path:
        """Give the directory of the state; it is there once the state is."""
        return self.root / self.ingredients.key()

    @property
    def command(self) -> Sequence[str]:
        """Give the command that makes it."""
        parts = self.ingredients
        return [*own_command(), COMMAND, str(self.root), str(parts.image), str(parts.executable), str(parts.memory_mib)]


def main(words: Sequence[str]) -> int:
    """Make a state, unless it is there: `hfs guest-state SAVED IMAGE EXECUTABLE MEMORY`; give the exit status."""
    root, image, executable, memory = words
    parts = Ingredients(image=Path(image), executable=Path(executable), memory_mib=int(memory))
    try:
        make(Saved(Path(root), parts))
    except (StateError, OSError) as error:
        sys.stderr.write(f"hfs {COMMAND}: {error}\n")
        return os.EX_UNAVAILABLE
    return os.EX_OK


def make(saved: Saved) -> None:
    """Make a state, unless it is there; wait for whoever makes it already. Errors: StateError, OSError."""
    with locked(saved.root):
        place = saved.place
        if place.is_dir():
            return
        draft = saved.root / "draft"
        hangs = saved.root / "kvm-hangs"  # until the machine is booted again
        if _has_kvm() and not (hangs.exists() and hangs.read_text() == _boot_id()):
            try:
                _make(draft, saved.ingredients, KVM)
            except StateError as error:
                sys.stderr.write(f"no guest boots with KVM ({error}): going on in software\n")
                hangs.write_text(_boot_id())
                _make(draft, saved.ingredients, SOFTWARE)
        else:
            _make(draft, saved.ingredients, SOFTWARE)
        # Guests that run have open what they were started from; those that are just starting make it again.
        for other in saved.root.iterdir():
            if other.is_dir() and other != draft:
                shutil.rmtree(other, ignore_errors=True)
        draft.rename(place)


def _make(draft: Path, made_of: Ingredients, accelerator: Accelerator) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    shutil.copyfile(made_of.executable, draft / "hfs")
    (draft / "identity").write_bytes(b" " * IDENTITY_BYTES)
    (draft / "accelerator").write_text(f"{accelerator.name} {accelerator.processor}\n")
    backing, disk = str(made_of.image / "disk"), str(draft / "disk")
    subprocess.run([QEMU_IMG, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", backing, disk], check=True)
    parts = Parts(
        image=made_of.image,
        executable=draft / "hfs",
        executable_bytes=(draft / "hfs").stat().st_size,
        memory_mib=made_of.memory_mib,
        memory=draft / "memory",
        is_memory_shared=True,
        disk=draft / "disk",
        identity=draft / "identity",
        console=draft / "console",
    )
    began = time.monotonic()
    processor = ["-accel", accelerator.name, "-cpu", accelerator.processor]
    monitor = ["-qmp", f"unix:{draft / 'monitor'},server=on,wait=off"]
    command = [*_ENDS_WITH_US, QEMU, *arguments(parts), *processor, *monitor]
    with (draft / "words").open("wb") as words:
        guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)
    try:
        _wait_ready(guest, draft, began + accelerator.boot_seconds)
        booted = time.monotonic()
        _save(draft)
        guest.wait(_MONITOR_SECONDS)
    except (MonitorError, subprocess.TimeoutExpired) as error:
        raise StateError(str(error)) from error
    finally:
        guest.kill()
        guest.wait()
    saving = time.monotonic() - booted
    sys.stderr.write(f"a guest booted in {booted - began:.1f} s ({accelerator.name}), saved in {saving:.2f} s\n")


def _wait_ready(guest: subprocess.Popen[bytes], draft: Path, deadline: float) -> None:
    console = draft / "console"
    while not (console.exists() and READY.encode() in console.read_bytes()):
        if guest.poll() is not None:
            last = (draft / "words").read_text(errors="replace").strip().rpartition("\n")[2]
            raise StateError(f"QEMU ended with status {guest.returncode}: {last}")
        if time.monotonic() > deadline:
            raise StateError("its guest was not ready in time")
        time.sleep(_LOOK_SECONDS)


def _save(draft: Path) -> None:
    # By a path that is short: that of a socket has 107 bytes at most.
    directory = os.open(draft, os.O_PATH)
    try:
        with closing(Monitor(Path(f"/proc/self/fd/{directory}/monitor"), _MONITOR_SECONDS)) as monitor:
            monitor.ask(IGNORE_SHARED)
            monitor.ask(
                {"execute": "migrate", "arguments": {"uri": f"exec:cat >/proc/{os.getpid()}/fd/{directory}/state"}}
            )
            deadline = time.monotonic() + _MONITOR_SECONDS
            while (status := monitor.ask({"execute": "query-migrate"}).get("status")) != "completed":
                if status in ("failed", "cancelled") or time.monotonic() > deadline:
                    raise StateError(f"saving the state came to {status}")
                time.sleep(_LOOK_SECONDS)
            monitor.ask({"execute": "quit"})
    finally:
        os.close(directory)


def _has_kvm() -> bool:
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def _qemu() -> str:
    return shutil.which(QEMU) or QEMU
