"""The shape of a scenario file: its tables and keys. Read by the product's own reader, so that mistakes read alike."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field

from hfs_appliance.config import spellings
from hfs_appliance.config.keys import quote, suggest
from hfs_appliance.config.shape import AtLeastOne, Count
from hfs_appliance.config.spellings import Spelling, misspelt, span
from hfs_appliance.config.table import Table
from hfs_appliance.model.instants import Duration
from sim import scenario
from sim.believed import AIMABLE
from sim.faults import MENU
from sim.scenario import Aim

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def _read_kind(text: str) -> str:
    if text not in MENU:
        raise misspelt(f"no fault is called {quote(text)}", suggest(text, MENU))
    return text


def _read_phase(text: str) -> Aim:
    phase = next((phase for phase in AIMABLE if phase == text), None)
    if phase is None:
        raise misspelt(f"nothing can be aimed at the phase {quote(text)}", suggest(text, AIMABLE))
    return phase


KIND = Spelling(_read_kind, {"enum": sorted(MENU)})
PHASE = Spelling(_read_phase, {"enum": list(AIMABLE)})

Kind: TypeAlias = Annotated[str, KIND]
Phase: TypeAlias = Annotated[Aim, PHASE]
Moment: TypeAlias = Annotated[Duration, span("0s", "365d")]
Span: TypeAlias = Annotated[Duration, span("1ms", "365d")]
MaybeSpan: TypeAlias = Annotated[Duration | None, span("1ms", "365d")]
Amount: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000_000)]


def _default(model: type[DataclassInstance], name: str) -> Any:
    return next(field.default for field in fields(model) if field.name == name)


class LayoutTable(Table):
    """The environment that it happens to."""

    servers: Count = _default(scenario.Layout, "servers")
    """Instances of all services together; the pool comes on top."""
    per_service: AtLeastOne = _default(scenario.Layout, "per_service")
    """Instances of each service; the last one takes the rest."""
    zones: Annotated[int, Field(ge=1, le=26)] = _default(scenario.Layout, "zones")
    """Availability zones."""
    pool: Count = _default(scenario.Layout, "pool")
    """Warm servers."""
    pool_max: Count | None = _default(scenario.Layout, "pool_max")
    """Most warm servers, where the pool follows what is claimed from it; left out, it does not."""
    image_canary: Annotated[int, Field(ge=0, le=20)] = _default(scenario.Layout, "image_canary")
    """Servers that must come up by a new image before the pool is built by it."""
    max_servers: AtLeastOne = _default(scenario.Layout, "max_servers")
    """Servers that may exist at one time."""
    at_once: AtLeastOne = _default(scenario.Layout, "at_once")
    """Creations, and deletions, that go on at the same time."""
    destroys: AtLeastOne | None = _default(scenario.Layout, "destroys")
    """Most servers that may be taken away within ten minutes; it grows with the fleet. Left out, as by default."""
    poll: Annotated[Duration, span("100ms", "5m")] = _default(scenario.Layout, "poll")
    """How often the cloud's list is read."""
    session_timeout: Annotated[Duration, span("1s", "5m")] = _default(scenario.Layout, "session_timeout")
    """How long an instance may be cut off from the registry."""
    appliances: Annotated[int, Field(ge=1, le=9)] = _default(scenario.Layout, "appliances")
    """How many look after the environment: one leads, the others stand by."""
    grows_to: Count = _default(scenario.Layout, "grows_to")
    """Instances that a service may have when it follows its traffic by itself; 0: it does not."""
    follows: Literal["requests", "cpu"] = "requests"
    """What it follows: requests a second, or the processor time that agents tell of."""
    balancer: bool = _default(scenario.Layout, "balancer")
    """Whether a load balancer stands before the proxies of all appliances."""
    build: MaybeSpan = _default(scenario.Layout, "build")
    """Time from the cloud's ACTIVE to a warm server; left out, as measured, with all its tails."""


class TrafficTable(Table):
    """What is asked of each service, and what one instance can do; left out, nobody asks for anything."""

    shape: Literal["steady", "daily", "square", "ramp", "trace"] = "steady"
    """How it goes up and down: always `base`; from `base` by night to `peak` half a `period` later; half a period of
    each; from `base` to `peak` once; or as `trace` has it."""
    base: Amount = _default(scenario.Traffic, "base")
    """Requests a second of one service when least is asked."""
    peak: Amount = _default(scenario.Traffic, "peak")
    """When most is asked; a trace is scaled to it, or taken as it is without it."""
    period: Span = _default(scenario.Traffic, "period")
    """After which the shape begins again."""
    apart: Moment = _default(scenario.Traffic, "apart")
    """Each service's shape comes so much after that of the service before it."""
    trace: list[Amount] = Field(default=[])
    """Requests of one service in each minute; afterwards it begins again."""
    capacity: AtLeastOne = _default(scenario.Traffic, "capacity")
    """Requests a second that one instance can answer."""
    latency: Span = _default(scenario.Traffic, "latency")
    """Time of an answer when an instance has nothing else to do."""
    busy: Annotated[int, Field(ge=1, le=1000)] = _default(scenario.Traffic, "busy")
    """Per mille of its capacity up to which an instance is quick enough: how many are needed follows from it."""
    patience: Span = _default(scenario.Traffic, "patience")
    """Clients give up after it."""
    retries: Annotated[int, Field(ge=0, le=10)] = _default(scenario.Traffic, "retries")
    """So often a client comes back with a request that failed."""


class BoundsTable(Table):
    """What the product must keep."""

    settle: Span = _default(scenario.Bounds, "settle")
    """After the last fault has ended, everything is as desired within this."""
    stays: Span = _default(scenario.Bounds, "stays")
    """And stays so for this long, without one action."""
    repair: MaybeSpan = _default(scenario.Bounds, "repair")
    """No service lacks capacity for longer than this at a stretch."""
    healthy_destroyed: Count = _default(scenario.Bounds, "healthy_destroyed")
    """Servers that may be deleted though nothing was wrong with them and nobody had asked for fewer."""


class FaultTable(Table):
    """One fault, or the same one again and again."""

    kind: Kind = Field(examples=["server-dies"])
    """Which one of the menu."""
    at: Moment = Field(examples=["5m"])
    """When: since a standing fleet was taken over, or since the first start where there is nothing."""
    lasts: MaybeSpan = None
    """How long, for a kind that lasts."""
    target: Amount = _default(scenario.Fault, "target")
    """What it hits: an index, modulo what lives then."""
    amount: Amount = _default(scenario.Fault, "amount")
    """A number, a share per mille, a factor: the menu says what."""
    phase: Phase | None = None
    """Wait until hfs believes a server to be in this phase, and hit that one."""
    every: MaybeSpan = None
    """Again after this, until the story ends."""
    times: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """How often in all."""
    step: Amount = _default(scenario.Repetition, "step")
    """How far `target` moves each time."""


class ChanceTable(Table):
    """Faults of one kind at any time, drawn by seed."""

    kind: Kind = Field(examples=["server-dies"])
    """Which one of the menu."""
    per_day: Annotated[int, Field(ge=1, le=1_000_000)] = Field(examples=[24])
    """How often in a day."""
    per_servers: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """Count `per_day` for so many servers, instead of for the whole fleet."""
    lasts: list[Span] | None = None
    """Shortest and longest time; else what the menu says."""
    amount: list[Amount] | None = None
    """Least and greatest amount; else what the menu says."""


class ScenarioFile(Table):
    """A whole scenario."""

    words: Annotated[str, spellings.FREE_TEXT] = Field(examples=["a server dies and is replaced"])
    """One line: what happens, and what is demanded."""
    lasts: Span = _default(scenario.Scenario, "lasts")
    """The part in which faults fly; settling comes after it."""
    begins: Literal["standing", "nothing"] = "standing"
    """What there is at the beginning: a converged fleet, or nothing."""
    mischief: bool = _default(scenario.Scenario, "has_mischief")
    """Whether unlikely things happen within hfs itself, too: late answers, halved plans, perturbed tunables."""
    layout: LayoutTable = LayoutTable()
    traffic: TrafficTable = TrafficTable()
    bounds: BoundsTable = BoundsTable()
    fault: list[FaultTable] = Field(default=[])
    """Faults with their times."""
    chance: list[ChanceTable] = Field(default=[])
    """Faults drawn by seed."""
