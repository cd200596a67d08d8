"""Faults of the control plane itself (X1 to X10 of the catalogue) and of the clock that it starts with (C1, C4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.model.instants import MILLISECOND, MINUTE, SECOND, Duration, format_duration
from sim.faults.menu import Struck, kind
from sim.incarnation import FIRST
from sim.killing import KillAtEveryStep

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

OUTAGE = (MILLISECOND, Duration(5 * MINUTE))


@kind("mcp-killed", "X1", words="the control plane is killed, and started again at the end of the fault", spans=OUTAGE)
def mcp_killed(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Kill the control plane as kill -9 does."""
    end = sim.overlaps.during("control plane", sim.kill, sim.start)
    return Struck(words="the control plane is killed", end=end)


@kind(
    "mcp-crash-loops",
    "X3",
    words="the control plane is killed and started again every `amount` ms or less, until the end",
    amounts=(1_000, 20_000),
    spans=(SECOND, Duration(10 * MINUTE)),
)
def mcp_crash_loops(sim: Simulation, fault: Fault) -> Struck:
    """Let no control plane live long."""
    stream = sim.streams.named(f"crash loop/{sim.clock.now()}")
    is_over = False

    def crash() -> None:
        if is_over:
            return
        sim.restart()
        sim.clock.after(stream.between(1, max(1, fault.amount) * MILLISECOND), crash)

    def end() -> None:
        nonlocal is_over
        is_over = True

    sim.clock.after(1, crash)
    return Struck(words=f"the control plane lives {fault.amount} ms at most", end=end)


@kind(
    "mcp-killed-at-every-step",
    "X1",
    "X2",
    words="the control plane is killed after its `amount`-th step, started again, killed one step later, and so on",
    amounts=(1, 200),
    spans=(SECOND, Duration(MINUTE)),  # a hundred lives: all steps are for sim/every_step.py
)
def mcp_killed_at_every_step(sim: Simulation, fault: Fault) -> Struck:
    """Let each life of the control plane last one step of its scheduler longer than the one before."""
    killer = KillAtEveryStep(sim, fault.amount)
    return Struck(words=f"the control plane is killed at each step, from the {fault.amount}th on", end=killer.stop)


@kind(
    "clock-jumps",
    "C1",
    "C4",
    words="the clock of the control plane's host is `amount` seconds off when it is started next; odd targets: behind",
    amounts=(1, 3600),
    spans=(SECOND, Duration(30 * MINUTE)),
)
def clock_jumps(sim: Simulation, fault: Fault) -> Struck:
    """Set the wall clock, which the product looks at only when it starts, and start the product again."""
    ahead = Duration((-1 if fault.target % 2 else 1) * fault.amount * SECOND)

    def jump(by: int) -> None:
        place = sim.places[FIRST]
        place.clock_error = Duration(place.clock_error + by)
        sim.restart()

    jump(ahead)
    words = f"the control plane starts with a clock that is {format_duration(ahead)} ahead"
    return Struck(words=words, end=lambda: jump(-ahead))
