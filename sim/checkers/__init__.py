"""All checkers, in the order in which they look. Each module below is one family of promises."""

from __future__ import annotations

from typing import Final

from sim.checkers.accounting import Audit, DecidedFirst, Forgotten, Leak, RecordedFirst
from sim.checkers.backoff import BacksOff
from sim.checkers.balancer import BalancerBacksOff, BehindBalancer, DrainedFirst, NeverEmpty
from sim.checkers.base import Case, Checker, Docket
from sim.checkers.destruction import BlastRadius, DestroyBudget, HealthyDestroyed, LeavesInOrder, PaidFirst
from sim.checkers.documents import Documents
from sim.checkers.floor import Floor
from sim.checkers.generations import Generations
from sim.checkers.identity import NewNames, OneOwner, OneRole, OneSlot, OwnNonce
from sim.checkers.inputs import BadInput
from sim.checkers.leadership import OneLeader
from sim.checkers.rates import ApiRate, Direction, ReloadRate
from sim.checkers.repair import Repair
from sim.checkers.rollouts import AcknowledgedSplit, OneRollout, RequestsWhereServed, RightVerdict
from sim.checkers.routes import Astray, InStep, Registrations
from sim.checkers.settling import Believes, Stays, Whole
from sim.checkers.sizes import Sizes
from sim.checkers.static import FailStatic
from sim.checkers.surge import Limits, Surge

CHECKERS: Final[tuple[type[Checker], ...]] = (
    HealthyDestroyed,
    LeavesInOrder,
    DestroyBudget,
    PaidFirst,
    BlastRadius,
    Floor,
    Surge,
    Limits,
    OneRole,
    OneOwner,
    OneSlot,
    OwnNonce,
    NewNames,
    Generations,
    Leak,
    RecordedFirst,
    Forgotten,
    DecidedFirst,
    Audit,
    FailStatic,
    OneLeader,
    BadInput,
    Direction,
    Sizes,
    Registrations,
    Astray,
    InStep,
    BehindBalancer,
    DrainedFirst,
    NeverEmpty,
    AcknowledgedSplit,
    RequestsWhereServed,
    OneRollout,
    RightVerdict,
    Documents,
    Believes,
    Stays,
    Whole,
    Repair,
    BacksOff,
    BalancerBacksOff,
    ApiRate,
    ReloadRate,
)

__all__ = ["CHECKERS", "Case", "Checker", "Docket"]
