"""A QEMU for tests that need none: it speaks as much of its protocol as hfs does, and runs no guest."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from hfs_appliance.adapters.qemu.saved import READY
from hfs_appliance.model import desired

QEMU: Final = f'''#!{sys.executable} -IS
"""Ends at once with an accelerator that is not in ACCELERATORS; else is ready, and saves its state when told to. Its
guest hangs if there is a pipe HANGS to be told of it, and of its end, if that comes by itself."""
import json, os, re, socket, subprocess, sys, time
words = " ".join(sys.argv)
if re.search("-accel ([a-z]+)", words)[1] not in os.environ["ACCELERATORS"]:
    sys.exit("this accelerator hangs")
if "-incoming" in words:
    print('{{"event": "RESUME"}}', flush=True)
    time.sleep(600)
if "HANGS" in os.environ:
    with open(os.environ["HANGS"], "w") as told:
        print("hangs", file=told, flush=True)
        time.sleep(60)
        print("has ended", file=told)
with open(re.search("path=([^, ]+),append", words)[1], "a") as console:
    console.write("{READY}\\n")
server = socket.socket(socket.AF_UNIX)
server.bind(re.search("unix:([^,]+)", words)[1])
server.listen()
peer = server.accept()[0].makefile("rw")
def say(word, content):
    peer.write(json.dumps({{word: content}}) + "\\n")
    peer.flush()
say("QMP", {{}})
for line in peer:
    command = json.loads(line)
    if command["execute"] == "migrate":
        say("event", "MIGRATION")
        subprocess.run(command["arguments"]["uri"].removeprefix("exec:").replace("cat", "echo state", 1), shell=True)
    say("return", {{"status": "completed"}})
    if command["execute"] == "quit":
        break
'''
GUESTS: Final = "HFS_GUESTS"
"""Names the directory that `./build.sh guest` has made, for tests with real guests."""

IDLE: Final = Path(__file__).with_name("idle_guest.py")
"""In place of hfs itself in a guest."""

QEMU_IMG: Final = '#!/bin/sh\nfor last; do :; done\n: >"$last"\n'


def fake_qemu(directory: Path, accelerators: str = "tcg") -> dict[str, str]:
    """Put both programs into a directory; give the variables that make them be found, and say what works."""
    directory.mkdir()
    for name, content in (("qemu-system-x86_64", QEMU), ("qemu-img", QEMU_IMG)):
        (directory / name).write_text(content)
        (directory / name).chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}", "ACCELERATORS": accelerators}


def image(directory: Path) -> Path:
    """Make what looks like an image."""
    directory.mkdir()
    for name in ("kernel", "initramfs", "disk"):
        (directory / name).write_text(name)
    return directory


def settings(image: Path, saved: Path) -> desired.LocalCloud:
    """Ask for guests."""
    guest = desired.GuestSettings(image=str(image), saved=str(saved), ports=(9000,))
    return desired.LocalCloud(machine=desired.MachineKind.QEMU, guest=guest)
