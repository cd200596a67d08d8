"""Faults of the cloud's API (O1 to O15 of the catalogue); what becomes of servers once it has answered is V's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hfs_appliance.model.instants import MILLISECOND, MINUTE, SECOND, Duration
from sim.asking import AUTHOR
from sim.faults.menu import Struck, kind
from sim.faults.places import zone_of
from sim.overlaps import End, chain, tightest, union

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

SHORT = (SECOND, Duration(10 * MINUTE))
LONG = (MINUTE, Duration(40 * MINUTE))
SHARES = (20, 900)
"""Per mille."""


# Every call


@kind("api-down", "O14", words="every call to the cloud fails: 503", spans=LONG)
def api_down(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Answer 503."""
    return _turn(sim, "is_down", value=True, words="the cloud's API answers 503")


@kind("api-hangs", "O10", "N2", words="no call to the cloud is answered; connections stay open", spans=LONG)
def api_hangs(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Answer nothing."""
    return _turn(sim, "hangs", value=True, words="the cloud's API answers nothing")


@kind("api-slow", "O10", words="every call takes `amount` times as long", amounts=(2, 300), spans=LONG)
def api_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow every call down."""
    return _turn(sim, "slowness", fault.amount, words=f"the cloud's API takes {fault.amount} times as long")


@kind("api-refuses", "O1", words="of 1,000 calls, `amount` fail with 503, nothing done", amounts=SHARES, spans=LONG)
def api_refuses(sim: Simulation, fault: Fault) -> Struck:
    """Refuse a share of all calls."""
    return _turn(sim, "refused_calls", fault.amount, words=f"{fault.amount} of 1,000 calls to the cloud fail")


@kind(
    "api-limits",
    "O9",
    words="every call is refused with 429 and Retry-After: `amount` seconds; 0: without that header",
    amounts=(0, 60),
    spans=SHORT,
)
def api_limits(sim: Simulation, fault: Fault) -> Struck:
    """Refuse calls for their rate."""
    wait = Duration(fault.amount * SECOND) if fault.amount else None
    faults = sim.datacentre.faults
    end = chain(
        sim.overlaps.hold(faults, "limited_calls", 1_000),
        sim.overlaps.hold(faults, "retry_after", wait, lambda waits: max((w for w in waits if w), default=None)),
    )
    return Struck(words=f"the cloud answers 429, Retry-After: {fault.amount or 'nothing'}", end=end)


@kind("api-garbles", "O11", words="`amount` of 1,000 calls are answered with HTML", amounts=SHARES, spans=SHORT)
def api_garbles(sim: Simulation, fault: Fault) -> Struck:
    """Carry calls out and answer nonsense."""
    words = f"{fault.amount} of 1,000 calls are answered with a page of HTML"
    return _turn(sim, "garbled_calls", fault.amount, words=words)


@kind("api-conflicts", "O8", words="`amount` of 1,000 creations and deletions: 409", amounts=SHARES, spans=SHORT)
def api_conflicts(sim: Simulation, fault: Fault) -> Struck:
    """Refuse changes because something else is going on."""
    words = f"{fault.amount} of 1,000 creations and deletions are answered 409"
    return _turn(sim, "conflicting_calls", fault.amount, words=words)


@kind("token-expired", "O6", words="tokens are no good any more; every client must log in again")
def token_expired(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Void all tokens."""
    sim.datacentre.faults.token += 1
    return Struck(words="every token has expired")


@kind("keystone-down", "O6", words="tokens are no good any more, and nobody gets a new one", spans=LONG)
def keystone_down(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Void all tokens and give no new ones."""
    sim.datacentre.faults.token += 1
    return _turn(sim, "denies_logins", value=True, words="every token has expired and nobody can log in")


@kind("credentials-wrong", "H14", words="every call is refused with 401", spans=LONG)
def credentials_wrong(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Refuse our password."""
    return _turn(sim, "denies_credentials", value=True, words="the cloud refuses our credentials")


@kind(
    "project-wrong",
    "O15",
    "H12",
    words="calls are answered for another project: the list is empty and says that it is whole, no id is known",
    spans=LONG,
)
def project_wrong(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Answer for another project; an environment that is only just begun belongs to that, until a person says no."""
    if sim.layout.anchor not in sim.ensemble.core.tree.znodes:
        sim.amends["anchor"] = lambda: sim.ask("adopt the fleet", lambda control: control.adopt(AUTHOR), insists=True)
    return _turn(sim, "is_other_project", value=True, words="the cloud answers for another project")


# Creations


@kind("creates-refused", "O1", words="`amount` of 1,000 creations fail, nothing done", amounts=SHARES, spans=LONG)
def creates_refused(sim: Simulation, fault: Fault) -> Struck:
    """Refuse creations."""
    return _turn(sim, "refused_creates", fault.amount, words=f"{fault.amount} of 1,000 creations fail")


@kind(
    "creates-lost",
    "O2",
    words="`amount` of 1,000 creations are carried out, and the answer is lost",
    amounts=SHARES,
    spans=LONG,
)
def creates_lost(sim: Simulation, fault: Fault) -> Struck:
    """Lose the answers to creations."""
    words = f"the answers to {fault.amount} of 1,000 creations are lost"
    return _turn(sim, "lost_creates", fault.amount, words=words)


@kind(
    "creates-late",
    "O3",
    words="`amount` of 1,000 creations fail, and their servers appear minutes later",
    amounts=SHARES,
    spans=LONG,
)
def creates_late(sim: Simulation, fault: Fault) -> Struck:
    """Carry creations out when nobody expects it any more."""
    words = f"{fault.amount} of 1,000 creations fail and are carried out minutes later"
    return _turn(sim, "late_creates", fault.amount, words=words)


@kind("quota-full", "O7", words="no more than `amount` servers beyond those that are there", amounts=(0, 5), spans=LONG)
def quota_full(sim: Simulation, fault: Fault) -> Struck:
    """Leave little quota."""
    limit = len(sim.datacentre.machines) + fault.amount
    return Struck(words=f"the quota is {limit} servers, {fault.amount} are left", end=_limit(sim, limit))


@kind(
    "quota-drifts", "O7", words="`amount` servers count that are not there; room for ten", amounts=(1, 20), spans=LONG
)
def quota_drifts(sim: Simulation, fault: Fault) -> Struck:
    """Count what is not there against a quota that leaves ten."""
    limit = len(sim.datacentre.machines) + 10
    end = chain(_limit(sim, limit), sim.overlaps.hold(sim.datacentre.faults, "quota_drift", fault.amount))
    return Struck(words=f"the quota of {limit} counts {fault.amount} servers that are not there", end=end)


def _limit(sim: Simulation, limit: int) -> End:
    """Let so many servers be, as nova counts them."""
    faults = sim.datacentre.faults
    return chain(sim.overlaps.hold(faults, "quota", limit, tightest), sim.overlaps.hold(faults, "unseen", SECOND))


# Lists


@kind("list-gaps", "O4", words="lists leave out `amount` of 1,000 servers and say so", amounts=SHARES, spans=LONG)
def list_gaps(sim: Simulation, fault: Fault) -> Struck:
    """Leave servers out and admit it: a cell is down."""
    return _turn(sim, "unlisted", fault.amount, words=f"lists leave out {fault.amount} of 1,000 servers and say so")


@kind("list-omits", "O4", words="lists leave out `amount` of 1,000 servers unsaid", amounts=SHARES, spans=LONG)
def list_omits(sim: Simulation, fault: Fault) -> Struck:
    """Leave servers out and call the list whole."""
    faults = sim.datacentre.faults
    end = chain(
        sim.overlaps.hold(faults, "admits_gaps", value=False, worst=min),
        sim.overlaps.hold(faults, "unlisted", fault.amount),
    )
    return Struck(words=f"lists leave out {fault.amount} of 1,000 servers and call themselves whole", end=end)


@kind("list-omits-zone", "O4", words="lists leave out a whole zone unsaid; target: which", spans=LONG)
def list_omits_zone(sim: Simulation, fault: Fault) -> Struck:
    """Leave a zone out and call the list whole."""
    faults, zone = sim.datacentre.faults, zone_of(sim, fault)
    end = chain(
        sim.overlaps.hold(faults, "admits_gaps", value=False, worst=min),
        sim.overlaps.hold(faults, "unlisted_zones", {zone}, union),
    )
    return Struck(words=f"lists leave out {zone} and call themselves whole", end=end)


@kind("list-unknown", "O4", words="lists call `amount` of 1,000 servers UNKNOWN", amounts=SHARES, spans=LONG)
def list_unknown(sim: Simulation, fault: Fault) -> Struck:
    """Know nothing of some servers: their compute service is down."""
    return _turn(sim, "unknown", fault.amount, words=f"lists call {fault.amount} of 1,000 servers UNKNOWN")


@kind("list-stale", "O5", words="lists are `amount` ms old", amounts=(1_000, 60_000), spans=LONG)
def list_stale(sim: Simulation, fault: Fault) -> Struck:
    """Give out old lists."""
    age = Duration(fault.amount * MILLISECOND)
    return _turn(sim, "list_age", age, words=f"lists are {fault.amount} ms old")


def _turn(sim: Simulation, switch: str, value: Any, worst: Callable[[list[Any]], Any] = max, *, words: str) -> Struck:
    return Struck(words=words, end=sim.overlaps.hold(sim.datacentre.faults, switch, value, worst))
