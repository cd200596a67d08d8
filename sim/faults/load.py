"""Faults of load (L-2 to L-10 of the catalogue): what clients do, and what is slow or wrong under it (V9).

Where a scenario has no traffic, the faults of clients hurt nobody. A swarm draws only what a service can bear: one that
is overrun and may not grow neither answers nor comes to rest, whatever the product does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hfs_appliance.model.instants import HOUR, MINUTE, Duration
from sim.faults import places
from sim.faults.menu import Struck, kind
from sim.faults.places import serving_of
from sim.overlaps import chain
from sim.traffic import curves
from sim.traffic.curves import MILLI, Curve
from sim.traffic.flow import Flow
from sim.traffic.flows import Surge

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

_SPANS: Final = (Duration(2 * MINUTE), Duration(30 * MINUTE))
_SWINGS: Final = 8
"""A square wave goes up so often within its time."""
_NOBODY: Final = Struck(words="nobody asks for anything")


@kind(
    "flash-crowd",
    "L-2",
    words="within a minute a service is asked for `amount` times as much, until the end; target: which service",
    amounts=(2, 50),
    spans=_SPANS,
    is_drawn=False,
    needs_traffic=True,
)
def flash_crowd(sim: Simulation, fault: Fault) -> Struck:
    """Bring a crowd to one service."""
    return _surge_of_one(sim, fault, curves.flash(sim.clock.now(), fault.amount * MILLI), "is overrun")


@kind(
    "everybody-comes",
    "L-10",
    words="within a minute all services are asked for `amount` times as much, until the end",
    amounts=(2, 10),
    spans=_SPANS,
    is_drawn=False,
    needs_traffic=True,
)
def everybody_comes(sim: Simulation, fault: Fault) -> Struck:
    """Bring crowds to all services at the same time."""
    return _surge(sim, None, curves.flash(sim.clock.now(), fault.amount * MILLI), f"all services x {fault.amount}")


@kind(
    "slow-ramp",
    "L-5",
    words="a service is asked for more and more, up to `amount` times as much at the end; target: which service",
    amounts=(2, 10),
    spans=(Duration(30 * MINUTE), Duration(12 * HOUR)),
    is_drawn=False,
    needs_traffic=True,
)
def slow_ramp(sim: Simulation, fault: Fault) -> Struck:
    """Let a service's traffic grow slowly."""
    return _surge_of_one(sim, fault, curves.rising(sim.clock.now(), fault.amount * MILLI, fault.lasts), "grows")


@kind(
    "square-wave",
    "L-4",
    words="a service is asked for `amount` times as much, and as usual, eight times in turn; target: which service",
    amounts=(2, 10),
    spans=_SPANS,
    is_drawn=False,
    needs_traffic=True,
)
def square_wave(sim: Simulation, fault: Fault) -> Struck:
    """Let a service's traffic swing."""
    half = Duration(fault.lasts // (2 * _SWINGS))
    return _surge_of_one(sim, fault, curves.swinging(sim.clock.now(), fault.amount * MILLI, half), "swings")


@kind(
    "drop-to-zero",
    "L-6",
    words="nobody asks a service for anything; target: which service",
    spans=_SPANS,
    needs_traffic=True,
)
def drop_to_zero(sim: Simulation, fault: Fault) -> Struck:
    """Let a service's traffic cease."""
    return _surge_of_one(sim, fault, curves.flat(0), "is asked for nothing")


@kind(
    "hot-instance",
    "L-7",
    words="`amount` per mille of a service's requests stick to one instance; target: which",
    amounts=(50, 500),
    spans=_SPANS,
    is_drawn=False,
    needs_traffic=True,
    hits=places.serving,
)
def hot_instance(sim: Simulation, fault: Fault) -> Struck:
    """Let requests stick to one instance."""
    flow = sim.flows.nth(fault.target)
    if flow is None or flow.route is None or not flow.route.members:
        return _NOBODY
    instance = flow.route.members[fault.target % len(flow.route.members)].instance
    end = sim.flows.stick(flow, instance, fault.amount)
    return Struck(words=f"{fault.amount} per mille of {flow.service}'s requests stick to {instance}", end=end)


@kind(
    "retry-storm",
    "L-9",
    words="clients try again `amount` times what has failed",
    amounts=(1, 5),
    spans=_SPANS,
    needs_traffic=True,
)
def retry_storm(sim: Simulation, fault: Fault) -> Struck:
    """Let failed requests come back."""
    ends = sim.overlaps.hold(sim.flows, "retries", fault.amount)
    sim.flows.look_again()
    return Struck(words=f"what fails comes back {fault.amount} times", end=chain(ends, sim.flows.look_again))


@kind(
    "slow-instance",
    "V9",
    words="one instance does everything `amount` times slower, until the end; target: which instance",
    amounts=(2, 3),
    spans=_SPANS,
    hits=places.serving,
)
def slow_instance(sim: Simulation, fault: Fault) -> Struck:
    """Make an instance slow, as a noisy neighbour or a failing disk does."""
    return _gray(sim, fault, "slowness", f"is {fault.amount} times slower")


@kind(
    "wrong-answers",
    "V9",
    words="`amount` per mille of one instance's answers are errors, until the end; target: which instance",
    amounts=(20, 1000),
    spans=_SPANS,
    hits=places.serving,
)
def wrong_answers(sim: Simulation, fault: Fault) -> Struck:
    """Let an instance answer with errors, of which its health probe knows nothing."""
    return _gray(sim, fault, "errors", f"gives {fault.amount} errors per mille")


@kind(
    "load-unknown",
    "L-8",
    words="nothing can be read of what the proxy has measured",
    spans=_SPANS,
    needs_traffic=True,
)
def load_unknown(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Make the figures of the load unreadable."""
    return Struck(
        words="nothing is known of the load", end=sim.overlaps.hold(sim.load_faults, "is_missing", value=True)
    )


@kind(
    "agents-silent",
    "L-8",
    words="no agent tells how busy its server is",
    spans=_SPANS,
    is_drawn=False,
    needs_traffic=True,
)
def agents_silent(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Let agents answer nobody."""
    return Struck(words="no agent tells its load", end=sim.overlaps.hold(sim.strain, "is_silent", value=True))


@kind(
    "load-frozen",
    "L-8",
    words="what the proxy has measured stays the same, whatever is asked",
    spans=_SPANS,
    needs_traffic=True,
)
def load_frozen(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Freeze the figures of the load."""
    return Struck(
        words="the load reads the same all the time", end=sim.overlaps.hold(sim.load_faults, "is_frozen", value=True)
    )


@kind(
    "load-wrong",
    "L-8",
    words="what is read of the load is off by a factor: `amount` per mille of the truth",
    amounts=(0, 10_000),
    spans=_SPANS,
    is_drawn=False,
    needs_traffic=True,
)
def load_wrong(sim: Simulation, fault: Fault) -> Struck:
    """Falsify the figures of the load."""
    end = sim.overlaps.hold(sim.load_faults, "factor", fault.amount, worst=lambda values: values[-1])
    return Struck(words=f"the load reads as {fault.amount} per mille of what it is", end=end)


def _surge_of_one(sim: Simulation, fault: Fault, curve: Curve, words: str) -> Struck:
    flow = sim.flows.nth(fault.target)
    return _surge(sim, flow, curve, f"{flow.service} {words}") if flow is not None else _NOBODY


def _surge(sim: Simulation, flow: Flow | None, curve: Curve, words: str) -> Struck:
    surge = Surge(flow.service if flow is not None else None, curve)
    sim.flows.add(surge)
    return Struck(words=words, end=lambda: sim.flows.subside(surge))


def _gray(sim: Simulation, fault: Fault, attribute: str, words: str) -> Struck:
    """Hurt an instance so that only those who use it notice."""
    serving = serving_of(sim, fault, 1)
    if not serving:
        return Struck(words="there was no instance to hurt", victims=())
    (server,) = serving
    name = server.machine.spec.server
    end = sim.overlaps.hold(server, attribute, fault.amount)
    sim.flows.look_again(name)
    return Struck(words=f"{name} {words}", victims=(name,), end=chain(end, lambda: sim.flows.look_again(name)))
