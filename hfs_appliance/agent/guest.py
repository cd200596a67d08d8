"""`hfs guest`: the agent of a virtual machine that was cloned from a saved state (adapters/qemu/).

Everything is loaded, then it waits for an identity among the files of its firmware; there the state is saved. A clone
goes on here, and shares with all others what it must not share: the state of the kernel's random numbers, our own, the
clock of that day, the name. What a network card is called does not matter: each is alone on its network.
"""

from __future__ import annotations

import calendar
import fcntl
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hfs_appliance.adapters.process import replace_file
from hfs_appliance.adapters.qemu.command import IDENTITY
from hfs_appliance.adapters.qemu.saved import READY
from hfs_appliance.agent import main as agent
from hfs_appliance.registry.formats import read_identity

FIRMWARE: Final = Path("/sys/firmware/qemu_fw_cfg/by_name") / IDENTITY / "raw"
_LOOK_SECONDS: Final = 0.02
_SEED_BYTES: Final = 64

# From <linux/random.h> and <linux/rtc.h>.
_RNDADDENTROPY: Final = 0x40085203
_RNDRESEEDCRNG: Final = 0x5207
_RTC_RD_TIME: Final = 0x80247009


def main(words: Sequence[str]) -> int:
    """Wait for an identity, become that server, and run its agent with the file so named; give the exit status."""
    identity_file = Path(words[0])
    content = wait_identity(FIRMWARE)
    _reseed()
    _set_clock()
    socket.sethostname(read_identity(content).server)
    replace_file(identity_file, content)
    return agent.main(identity_file)


def wait_identity(firmware: Path) -> bytes:
    """Tell that all is loaded, and wait until the firmware's file is not blank any more."""
    sys.stderr.write(f"{READY}\n")
    sys.stderr.flush()
    with firmware.open("rb", buffering=0) as file:
        while os.pread(file.fileno(), 1, 0).isspace():  # one byte: the firmware is read byte by byte
            time.sleep(_LOOK_SECONDS)
    return firmware.read_bytes().strip()


def _reseed() -> None:
    # Debian's kernel has no driver for the device by which QEMU tells a guest that it is a clone (vmgenid).
    with Path("/dev/hwrng").open("rb", buffering=0) as host, Path("/dev/random").open("wb", buffering=0) as pool:
        fresh = host.read(_SEED_BYTES) or b""
        fcntl.ioctl(pool, _RNDADDENTROPY, struct.pack("ii", len(fresh) * 8, len(fresh)) + fresh)
        fcntl.ioctl(pool, _RNDRESEEDCRNG)
    random.seed()


def _set_clock() -> None:
    with Path("/dev/rtc0").open("rb", buffering=0) as clock:
        fields = struct.unpack("9i", fcntl.ioctl(clock, _RTC_RD_TIME, bytes(36)))
    second, minute, hour, day, month, year = fields[:6]
    time.clock_settime(time.CLOCK_REALTIME, calendar.timegm((year + 1900, month + 1, day, hour, minute, second)))
