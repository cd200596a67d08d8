"""Playing a scenario: safety while its faults fly, then liveness within a bound, as one value of scenario and seed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.model.instants import MINUTE, SECOND, Duration, format_duration
from sim.checkers import Docket
from sim.clock import EPOCH
from sim.coverage import Coverage
from sim.desired import configuration
from sim.fleet import Simulation, TooLate, simulate
from sim.metrics import Metrics
from sim.outcome import Outcome, Violation
from sim.pace import ServerPace
from sim.panel import Panel
from sim.scenario import Beginning, Follows, Layout, Scenario, Traffic
from sim.standing import let_stand
from sim.streams import Table
from sim.striking import strike_all
from sim.traffic.facts import TrafficFlowed
from sim.traffic.measure import Measure
from sim.truth import FaultsOver, Settled, StoryBegun
from sim.unroll import unrolled

FIRST_CONVERGENCE: Final = Duration(60 * MINUTE)
"""A standing fleet that is not even taken over within this has failed before the story began."""
NOTICED_WITHIN: Final = Duration(MINUTE)
"""The last fault may have struck just before: sessions, probes and polls take their time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """A run under way, for those who watch it; they listen, and change nothing."""

    scenario: Scenario
    sim: Simulation
    docket: Docket
    metrics: Metrics


def play(
    scenario: Scenario,
    seed: int,
    *,
    keeps_lines: bool = False,
    watch: Callable[[Playing], None] | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
    until: Callable[[Violation], bool] | None = None,
    ended: Callable[[Docket, BaseException | None], None] | None = None,
) -> Outcome:
    """Play a scenario; a run that cannot go on is a violation like any other. Errors: OSError of those who watch.

    `watch` is given the run before it begins, to listen to it; `instruments` see each step of trio's scheduler.
    The run ends at the first violation of which `until` says so: for those who need to see no more. `ended` is called
    at the end of the story, before the run is wound up, with what it broke off with, if it did.
    """
    scenario = unrolled(scenario, seed)
    sim = Simulation(
        seed,
        source(scenario),
        server_pace=_pace(scenario.layout),
        keeps_lines=keeps_lines,
        has_mischief=scenario.has_mischief,
    )
    panel = Panel(scenario, sim.clock.now, sim.truth, sim.bus)
    docket, measure = panel.docket, Measure()
    sim.truth.listen(measure.see, (TrafficFlowed,))
    coverage = Coverage(sim.believed)
    sim.bus.subscribe("coverage", coverage.hear)
    sim.truth.listen(coverage.see, Coverage.SEES)
    if watch is not None:
        watch(Playing(scenario=scenario, sim=sim, docket=docket, metrics=panel.metrics))
    began_ns = time.process_time_ns()

    async def story(sim: Simulation) -> None:
        failed: BaseException | None = None
        try:
            await _judged(sim, scenario, panel, until)
        except BaseException as error:
            failed = sim.clock.failure or error
            raise
        finally:
            if ended is not None:
                ended(docket, failed)

    try:
        simulate(sim, story, instruments)
    except BaseException as error:  # noqa: BLE001  # judged just below
        cause = _innermost(error)
        if not isinstance(cause, Exception) or isinstance(cause, OSError):  # Ctrl-C, and what those who watch fail in
            raise cause from None
        docket.accuse("alive", f"the run ended with {type(cause).__name__} {_place(cause)}: {cause}")
    panel.demand_sound()
    return Outcome(
        scenario=scenario.name,
        seed=seed,
        servers=scenario.layout.servers,
        virtual_seconds=(sim.clock.now() - EPOCH) // SECOND,
        cpu_seconds=(time.process_time_ns() - began_ns) / 1e9,
        events=sim.journal.count,
        digest=sim.journal.digest,
        violations=tuple(docket.violations),
        violations_total=docket.total,
        strikes=coverage.matrix,
        requests=measure.requests(),
        gap_bound_s=_in_seconds(scenario.bounds.repair),
        **panel.findings(sim.clock.now()),
    )


def source(scenario: Scenario) -> str:
    """Write the desired state of a scenario."""
    layout, traffic = scenario.layout, scenario.traffic
    full, rest = divmod(layout.servers, layout.per_service)
    counts = [layout.per_service] * full + ([rest] if rest else [])
    services = {f"service-{number:04d}": {"1.0.0": count} for number, count in enumerate(counts)}
    return configuration(
        services,
        pool_size=layout.pool,
        pool_max=layout.pool_max,
        image_canary=layout.image_canary,
        zones=layout.zones,
        max_servers=layout.max_servers,
        at_once=layout.at_once,
        destroys=layout.destroys,
        poll=format_duration(layout.poll),
        session_timeout=format_duration(layout.session_timeout),
        balancer=layout.balancer,
        autoscale=_autoscale(layout, traffic) if layout.grows_to else "",
    )


def _in_seconds(span: Duration | None) -> int | None:
    return -(-span // SECOND) if span is not None else None


def _autoscale(layout: Layout, traffic: Traffic) -> str:
    target = f"rps_per_instance = {max(1, traffic.capacity * traffic.busy // 1000)}"
    if layout.follows is Follows.CPU:
        target = f'cpu = "{traffic.busy // 10}%"'
    return f"min = 1, max = {layout.grows_to}, {target}"


def _pace(layout: Layout) -> ServerPace:
    if layout.build is None:
        return ServerPace()
    at_once = Table(((0, 0), (1000, 0)))
    return ServerPace(booting=Table(((0, layout.build), (1000, layout.build))), updates=at_once, configuration=at_once)


def _innermost(error: BaseException) -> BaseException:
    """Give the first error of a group of groups: each nursery on the way adds one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(error: BaseException) -> str:
    """Say where an error was raised, without where the code lies on this machine."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"


async def _judged(sim: Simulation, scenario: Scenario, panel: Panel, until: Callable[[Violation], bool] | None) -> None:
    """Tell the story, and judge what can only be judged at its end, if it gets there."""
    docket = panel.docket
    with trio.CancelScope() as scope:
        docket.is_enough, docket.stop = until, scope.cancel
        try:
            await _tell(sim, scenario)
        except TooLate as error:
            docket.accuse("settled", str(error))
        finally:
            docket.is_enough = None
    if scope.cancelled_caught:
        return
    sim.flows.finish()
    panel.finish(sim.clock.now())


async def _tell(sim: Simulation, scenario: Scenario) -> None:
    if scenario.begins is Beginning.STANDING:
        let_stand(sim)
    for number in range(1, scenario.layout.appliances + 1):
        sim.start(f"mcp-{number}")
    if scenario.begins is Beginning.STANDING:
        await sim.converged(FIRST_CONVERGENCE)
    sim.truth.tell(StoryBegun())
    sim.flows.begin(scenario.traffic, sim.proxy.table)
    await strike_all(sim, scenario)
    sim.calm()
    sim.flows.stand_still()
    sim.truth.tell(FaultsOver())
    await sim.pass_time(Duration(max(0, sim.datacentre.late_until - sim.clock.now())))  # a fault that is not over yet
    await sim.pass_time(NOTICED_WITHIN)  # what nobody has noticed yet looks converged
    await sim.converged(scenario.bounds.settle)
    sim.truth.tell(Settled())
    await sim.pass_time(scenario.bounds.stays)
    await sim.converged(NOTICED_WITHIN)  # two slow lists in a row are no news
