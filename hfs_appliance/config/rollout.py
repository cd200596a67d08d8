"""The shape of what a file says of upgrades: `[service.X.rollout]`, and who of several versions gets which requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hfs_appliance.config import spellings
from hfs_appliance.config.spellings import factor, span, tenths
from hfs_appliance.config.table import Table, default
from hfs_appliance.model import rollout, traffic
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.shares import Factor, PerMille, Share


class Step(Table):
    """One step of a canary."""

    weight: Annotated[PerMille, tenths("0.1%", "99.9%")] = Field(examples=["5%"])
    """Share of the requests that the new version gets."""
    bake: Annotated[Duration, span("0s", "7d")] = Field(examples=["5m"])
    """Shortest time at this share, from when every proxy serves it."""


class Gate(Table):
    """How much worse than the old version the new one of a canary may be, over the same minutes."""

    error_factor: Annotated[Factor, factor("1x", "100x")] = default(rollout.Gate, "error_factor")
    """Share of failed requests: so many times the old version's, …"""
    error_plus: Annotated[Share, spellings.share("0%", "50%")] = default(rollout.Gate, "error_plus")
    """… and so much more."""
    p95_factor: Annotated[Factor, factor("1x", "100x")] = default(rollout.Gate, "p95_factor")
    """Time within which 95 of 100 requests are answered: so many times the old version's."""
    min_requests: Annotated[int, Field(ge=1, le=10_000_000)] = default(rollout.Gate, "min_requests")
    """With fewer requests to either version the rollout waits: silence proves nothing."""


class Split(Table):
    """Which requests stay together while several versions have some."""

    by: Literal["request", "address", "cookie"] = "request"
    """Each request for itself, all of one client's address, or all with one value of a cookie."""
    cookie: Annotated[str, spellings.COOKIE_NAME] = ""
    """Name of that cookie; a request without it is drawn for itself."""


class Rollout(Table):
    """How another version takes over."""

    strategy: Literal["blue-green", "canary", "rolling", "ab"] = "blue-green"
    """All requests at once, in steps compared with the old version, a batch of instances at a time, or to stay."""
    steps: Annotated[list[Step], Field(min_length=1, max_length=20)] = [
        Step.model_construct(weight=step.weight, bake=step.bake) for step in rollout.STEPS
    ]
    """Of a canary: shares of the requests that rise, and how long each is tried."""
    batch: Annotated[PerMille, tenths("0.1%", "100%")] = default(rollout.RolloutSettings, "batch")
    """Of `rolling`: share of the instances that is exchanged at a time, one at least."""
    progress_deadline: Annotated[Duration, span("10s", "7d")] = default(rollout.RolloutSettings, "progress_deadline")
    """A rollout that gets no further for so long is taken back."""
    revert_deadline: Annotated[Duration, span("0s", "1d")] = default(rollout.RolloutSettings, "revert_deadline")
    """What is taken back waits so long at most for the old version's instances; then they get all requests anyway."""
    retain_old: Annotated[Duration, span("0s", "7d")] = default(rollout.RolloutSettings, "retain_old")
    """How long the old version stays warm once the new one has all requests: so long the way back is short."""
    gate: Gate = Gate()
    split: Split = Split()


class Match(Table):
    """Requests that carry exactly this header or cookie; the case of letters is ignored."""

    header: Annotated[str, spellings.HEADER_NAME] | None = None
    """Name of a header, …"""
    cookie: Annotated[str, spellings.COOKIE_NAME] | None = None
    """… or of a cookie, …"""
    value: Annotated[str, spellings.MATCH_VALUE] = Field(examples=["yes"])
    """… and its value."""


def settings(table: Rollout) -> rollout.RolloutSettings:
    """Translate `[service.X.rollout]`."""
    gate = table.gate
    return rollout.RolloutSettings(
        strategy=rollout.Strategy(table.strategy),
        steps=tuple(rollout.Step(weight=step.weight, bake=step.bake) for step in table.steps),
        gate=rollout.Gate(
            error_factor=gate.error_factor,
            error_plus=gate.error_plus,
            p95_factor=gate.p95_factor,
            min_requests=gate.min_requests,
        ),
        batch=table.batch,
        progress_deadline=table.progress_deadline,
        revert_deadline=table.revert_deadline,
        retain_old=table.retain_old,
        key=traffic.SplitKey(by=traffic.SplitBy(table.split.by), cookie=table.split.cookie),
    )


def match(table: Match) -> traffic.Match:
    """Translate one match; that it names one carrier is checked when all is together."""
    carrier = traffic.Carrier.COOKIE if table.header is None else traffic.Carrier.HEADER
    return traffic.Match(carrier=carrier, name=table.header or table.cookie or "", value=table.value)
