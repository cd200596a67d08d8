"""Losses: what the verdict on a server says of why it is lost, and by whose word."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from hfs_appliance.model.ids import AvailabilityZone, Version
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Cause, Verdict


class LossKind(Enum):
    """Who says that something that was well is lost, beside the registry."""

    SUSPECT = "suspect"
    """Nobody yet."""
    SILENT = "silent"
    """It does not answer when it is asked."""
    DEAD = "dead"
    """The cloud."""


SILENT: Final = "unrecovered"
"""The rule of what is lost by its silence alone."""
_LOSSES: Final = {
    "unregistered": LossKind.SUSPECT,
    "missing": LossKind.SUSPECT,
    "unregistered-alive": LossKind.SUSPECT,
    "astray": LossKind.SUSPECT,
    SILENT: LossKind.SILENT,
    "dead": LossKind.DEAD,
    "vanished": LossKind.DEAD,
}
"""Verdicts on what was well; what never came up is no loss."""


class Plight(NamedTuple):
    """What servers that are to go may have in common: all that a guard goes by when it keeps them."""

    scope: str
    az: AvailabilityZone
    rule: str
    """Of the verdict."""
    cause: Cause


Loss: TypeAlias = tuple[Version | None, AvailabilityZone, LossKind]


_CAUSE_OF_LOSS: Final = {
    "never-ready": Cause.NEVER_READY,
    "build-failed": Cause.BUILD_FAILED,
    "build-error": Cause.BUILD_FAILED,
    "over-quota": Cause.OVER_QUOTA,
    "never-created": Cause.BUILD_FAILED,
}
FAILURES: Final = frozenset({Cause.BUILD_FAILED, Cause.OVER_QUOTA, Cause.NEVER_READY})
"""Causes that say that something other than this one server may be wrong: they are counted, once."""


def cause_of_loss(verdict: Verdict) -> Cause:
    """Tell why a lost server is taken away."""
    return _CAUSE_OF_LOSS.get(verdict.rule, Cause.REMEDIATION)


def loss_of(record: ServerRecord, verdict: Verdict) -> Loss | None:
    """Tell of what was well and is lost: of which version it was, where, and who says so."""
    kind, was_well = _LOSSES.get(verdict.rule), record.ready_at is not None or record.built_at is not None
    return (record.version, record.az, kind) if kind is not None and was_well else None
