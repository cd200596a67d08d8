"""Usage: what processes of this machine have used of its processors, from /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hfs_appliance.adapters.process import ProcessId

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME: Final = 11
"""Of the fields after the command name; stime, cutime and cstime follow (fields 14 to 17 of /proc/<pid>/stat)."""


def processors() -> int:
    """Count the processors that we may use."""
    return len(os.sched_getaffinity(0))


def used_ms(processes: Iterable[ProcessId]) -> int:
    """Give the processor time that these, and those whose end they have waited for, have used so far."""
    return sum(_ticks(process.pid) for process in processes) * 1000 // _TICKS


def load_per_mille() -> int:
    """Give the load average of the last minute for each processor, per mille."""
    return round(os.getloadavg()[0] * 1000) // (os.cpu_count() or 1)


def _ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = stat[stat.rindex(b")") + 2 :].split()
    return sum(int(field) for field in fields[_UTIME : _UTIME + 4])
