"""Runs one unmodified nova-compute for each host, all forked from one process that has imported nova once.

`computes.py HOME HOST…`. A host's pid is in HOME/run/compute-HOST.pid: stopped with SIGSTOP, it leaves its new servers
in BUILD.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nova.cmd import compute  # first: it chooses native threads and bars eventlet
from nova.compute import manager  # noqa: F401  # heavy imports, shared by the children
from nova.virt import fake  # noqa: F401


def run(home: Path, host: str) -> None:
    """Be the nova-compute of one host."""
    out = os.open(home / "log" / f"compute-{host}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    files = (home / "etc" / "nova.conf", home / "etc" / f"compute-{host}.conf")
    sys.argv = ["nova-compute", *(argument for file in files for argument in ("--config-file", str(file)))]
    compute.main()


def main(home: Path, hosts: list[str]) -> None:
    """Fork all of them and stay until they have ended."""
    for host in hosts:
        pid = os.fork()
        if not pid:
            run(home, host)
            return
        (home / "run" / f"compute-{host}.pid").write_text(str(pid))
    for _ in hosts:
        os.wait()


main(Path(sys.argv[1]), sys.argv[2:])
