"""Mutants of building: what is coming is not counted, limits and pauses are not kept, names are used again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hfs_appliance.factory import policy
from hfs_appliance.mcp import build as building
from hfs_appliance.mcp import decide, retire, setbacks
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.launches import Launches
from hfs_appliance.model.desired import Limits
from hfs_appliance.model.ids import serial_of, server_id
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from hfs_appliance.model.plan import Create
from hfs_appliance.ports.errors import PortError
from hfs_appliance.runtime.acts import Acts
from sim.mutants.base import Patch, among, mutant
from sim.scenario import Beginning, Fault, Layout, Scenario
from sim.swarm import draw

MANY = 1 << 30


@mutant(
    "building-not-counted",
    breaks="servers that are being built do not count: each look asks for as many again",
    because="V13: builds take minutes and looks seconds; nodepool and many autoscalers have filled their quota so",
    caught_by="surge",
)
def building_not_counted(patch: Patch) -> None:
    """Count the warm ones only."""

    def wanted(*, size: int, warm: int, building: int, unmet: int) -> int:
        del building
        return policy.wanted_builds(size=size, warm=warm, building=0, unmet=unmet)

    patch.set(building, "wanted_builds", wanted)


@mutant(
    "pool-not-shared-out",
    breaks="instances that wait and the pool that is to be refilled are each given a server for the same lack",
    because="after the loss of a zone twice as many servers as were lost are built, where there is room for none",
    caught_by="surge",
    world=among("zone-dies", "server-dies"),
)
def pool_not_shared_out(patch: Patch) -> None:
    """Forget that warm servers serve the waiting first."""

    def wanted(*, size: int, warm: int, building: int, unmet: int) -> int:
        return max(0, size - warm - building) + unmet

    patch.set(building, "wanted_builds", wanted)


def _nothing_but_failures(seed: int) -> Scenario:
    """Lose a server while none can be built."""
    return replace(
        draw(seed),
        begins=Beginning.STANDING,
        lasts=Duration(20 * MINUTE),
        faults=(
            Fault(kind="builds-break", at=MINUTE, lasts=Duration(15 * MINUTE), amount=1000),
            Fault(kind="server-dies", at=Duration(2 * MINUTE), target=seed),
        ),
    )


@mutant(
    "no-back-off",
    breaks="what fails is asked for again at once, and again",
    because="V1, O7: Amazon EBS, 2011: servers that looked for new mirrors again and again kept the cluster full",
    caught_by="backs-off",
    world=_nothing_but_failures,
)
def no_back_off(patch: Patch) -> None:
    """Let no pause follow on a failure, and no single trial."""
    patch.set(setbacks, "pause", lambda _failures, _rounds: Duration(0))
    patch.set(Launches, "room", lambda _self, _pool, _az: MANY)


def _with(change: Callable[[Limits], Limits]) -> Callable[[Callable[[Draft], None]], Callable[[Draft], None]]:
    """Have servers built under other limits."""

    def make(inner: Callable[[Draft], None]) -> Callable[[Draft], None]:
        def build(draft: Draft) -> None:
            desired = draft.desired
            draft.desired = replace(desired, limits=change(desired.limits))
            inner(draft)
            draft.desired = desired

        return build

    return make


@mutant(
    "max-creating-ignored",
    breaks="more creations go on at the same time than the configuration allows",
    because="O9, O10: an API that is slow gets slower, and every creation fails",
    caught_by="limits",
)
def max_creating_ignored(patch: Patch) -> None:
    """Build all that is wanted at once."""
    patch.around(decide, "build", _with(lambda limits: replace(limits, max_creating=MANY)))


_LOSSES = among("zone-dies", "server-dies", "server-dark")


def _narrow(seed: int) -> Scenario:
    """Leave room for hardly more servers than are wanted."""
    drawn = _LOSSES(seed)
    most = drawn.layout.servers + drawn.layout.pool + 1
    return replace(drawn, layout=replace(drawn.layout, max_servers=most))


@mutant(
    "max-servers-ignored",
    breaks="more servers are made than the configuration allows",
    because="H1, L-10: the limit is what is paid for; a mistake elsewhere must not be able to pass it",
    world=_narrow,
    caught_by="limits",
)
def max_servers_ignored(patch: Patch) -> None:
    """Build all that is wanted, whatever there is."""
    patch.around(decide, "build", _with(lambda limits: replace(limits, max_servers=MANY)))


@mutant(
    "serial-reused",
    breaks="a new server gets the name of one that is gone",
    because="V7, O12: the one that was thought gone comes back, and two servers answer to one name",
    caught_by="new-names",
    world=among("server-dies", "server-vanishes"),
)
def serial_reused(patch: Patch) -> None:
    """Number new servers from the lowest number that is free."""

    def make(inner: Callable[[Draft], None]) -> Callable[[Draft], None]:
        def build(draft: Draft) -> None:
            inner(draft)
            assert draft.world.registry is not None
            taken = {serial_of(server) for server in (*draft.world.registry.value.records, *draft.planned)}
            for at, action in enumerate(draft.actions):
                if isinstance(action, Create) and not action.is_retry:
                    serial = next(number for number in range(1, MANY) if number not in taken)
                    taken.add(serial)
                    draft.actions[at] = replace(action, server=server_id(action.pool, serial))

        return build

    patch.around(decide, "build", make)


@mutant(
    "retries-in-the-act",
    breaks="an action asks the cloud again by itself, as often as it fails",
    because="O1, O9: retries inside of retries multiply, and an API that is down is kept down",
    caught_by="api-rate",
    world=among("api-refuses", "credentials-wrong", "server-dies"),
)
def retries_in_the_act(patch: Patch) -> None:
    """Ask up to thirty times."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        async def ask(self: Acts, call: Callable[..., Any]) -> Any:
            for _ in range(29):
                try:
                    return await inner(self, call)
                except (PortError, Exception):  # noqa: S112, BLE001  # that is the mistake
                    continue
            return await inner(self, call)

        return ask

    patch.around(Acts, "_ask_cloud", make)


def _quiet(seed: int) -> Scenario:
    """A fleet with which nothing happens; builds are quick, so that turns are."""
    return Scenario(
        name="quiet",
        words="nothing happens",
        lasts=Duration(12 * MINUTE),
        layout=Layout(servers=90 + seed, per_service=30, pool=4, build=Duration(5 * SECOND)),
    )


@mutant(
    "pool-of-two-minds",
    breaks="the pool is trimmed to one server fewer than it is filled to",
    because="S12: autoscalers whose two thresholds cross build and destroy the same server all day",
    caught_by="direction",
    world=_quiet,
)
def pool_of_two_minds(patch: Patch) -> None:
    """Find one too many that is not."""
    patch.set(retire, "surplus", lambda *, size, warm: max(0, warm - max(0, size - 1)))
