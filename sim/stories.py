"""Small stories of all that hfs does, to be played again and again with hfs killed at another point each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hfs_appliance.model.instants import MINUTE, Duration, seconds
from sim.scenario import Beginning, Bounds, Fault, Layout, Scenario, Traffic

SMALL: Final = Layout(servers=4, per_service=2, zones=2, pool=1, poll=seconds(10))

BRISK: Final = replace(SMALL, build=seconds(20))
"""Where a build takes no time to speak of: a step of waiting is a step, too."""
WARM: Final = replace(BRISK, pool=2)

STAYS: Final = seconds(70)
"""A resync: of thousands of runs this is a good part, and what is left over is found at the end in any case."""


def _story(
    words: str,
    *faults: Fault,
    begins: Beginning = Beginning.STANDING,
    lasts: int = 180,
    settle: int = 40,
    layout: Layout = SMALL,
    traffic: Traffic = Traffic(),  # noqa: B008  # a frozen value
) -> Scenario:
    name = words.partition(":")[0]
    return Scenario(
        name=name,
        words=words,
        lasts=seconds(lasts),
        begins=begins,
        layout=layout,
        traffic=traffic,
        bounds=Bounds(settle=Duration(settle * MINUTE), stays=STAYS),
        faults=faults,
    )


def _fault(kind: str, at: float, lasts: float = 0, *, target: int = 0, amount: int = 1) -> Fault:
    return Fault(kind=kind, at=seconds(at), lasts=seconds(lasts), target=target, amount=amount)


STORIES: Final = {
    story.name: story
    for story in (
        _story("build: everything is built from nothing", begins=Beginning.NOTHING, lasts=60),
        _story(
            "repair: two servers die, one is deleted by hand",
            _fault("server-dies", 5),
            _fault("server-vanishes", 40, target=2),
        ),
        _story(
            "grow: a service grows and shrinks",
            _fault("scale-out", 5, 25, amount=2),
            _fault("scale-in", 40, 15, target=1),
            layout=BRISK,
            lasts=60,
        ),
        _story("upgrade: a service gets another version", _fault("version-changed", 5)),
        _story("revert: a release crashes once it serves and is taken back", _fault("upgrade-bad", 5, amount=1)),
        _story(
            "canary: a service goes over in steps, for which an operator does not wait",
            _fault("canary-good", 5),
            _fault("rollout-ordered", 20, amount=0),
            _fault("rollout-ordered", 26, amount=1),
            _fault("rollout-ordered", 32, amount=0),
            layout=WARM,
            traffic=Traffic(base=60),
            lasts=33,
        ),
        _story(
            "rolling: a service is exchanged one instance after the other",
            _fault("upgrade-good", 5, amount=1),
            layout=WARM,
            lasts=6,
        ),
        _story(
            "rollback: a service is upgraded, and an operator goes back while the old version is warm",
            _fault("upgrade-good", 5, amount=0),
            _fault("upgrade-rolled-back", 20),
            layout=WARM,
            lasts=21,
        ),
        _story(
            "storm: all registrations go at once, some with their servers; an operator believes what he is shown",
            _fault("servers-cut", 5, 20, amount=1000),
            _fault("server-dark", 5, 25, amount=2),
            _fault("storm-approved", 18),
            layout=BRISK,
            lasts=31,
        ),
        _story(
            "takeover: of two appliances one takes over from the other, again and again, while a server dies",
            _fault("server-dies", 5),
            _fault("leader-frozen", 12, 12),
            _fault("leader-silent", 40, 10),
            lasts=51,
            layout=replace(BRISK, appliances=2),
        ),
        _story(
            "handover: an operator has the other appliance lead while servers are replaced, and the first one again",
            _fault("server-dies", 5),
            _fault("office-handed-over", 11),
            _fault("server-dies", 30, target=2),
            _fault("office-handed-over", 36),
            layout=replace(WARM, appliances=2),
            lasts=40,
        ),
        _story(
            "adopt: the registry is emptied, hfs restarted, and an operator adopts the fleet",
            _fault("registry-wiped", 3),
            _fault("mcp-killed", 6, 1),
            _fault("fleet-adopted", 15),
            layout=BRISK,
            lasts=16,
        ),
        _story(
            "retire: a service is left out of the file and comes back",
            _fault("service-removed", 5, 25),
            layout=BRISK,
            lasts=31,
        ),
        _story(
            "lost-answers: creations and writes lose their answers",
            _fault("creates-lost", 1, 45, amount=600),
            _fault("registry-loses-answers", 1, 45, amount=100),
            _fault("server-dies", 5),
            _fault("server-dies", 25, target=3),
            layout=BRISK,
            lasts=46,
        ),
        _story(
            "late-servers: creations fail and are carried out later",
            _fault("creates-late", 1, 60, amount=700),
            _fault("server-dies", 5),
        ),
        _story(
            "registry-away: the registry goes away while a server dies",
            _fault("server-dies", 5),
            _fault("registry-away", 8, 20),
        ),
        _story("zone-dark: a zone is dark for two minutes", _fault("zone-dark", 5, 120), lasts=240),
        _story(
            "bad-builds: builds fail, then a rotten server is claimed",
            _fault("builds-break", 1, 60, amount=500),
            _fault("server-dies", 5),
            _fault("pool-rots", 70),
            _fault("server-dies", 75, target=1),
        ),
        _story(
            "stuck-deletes: deletions are ignored and break",
            _fault("deletes-ignored", 1, 60, amount=500),
            _fault("deletes-break", 1, 100, amount=500),
            _fault("server-dies", 5),
            _fault("scale-in", 30, 60),
        ),
        _story(
            "forgotten: records are removed by hand, and the registry loses a member",
            _fault("record-removed-by-hand", 5, amount=3),
            _fault("registry-member-lost", 12),
            _fault("mcp-session-expires", 18),
            layout=BRISK,
            lasts=20,
        ),
    )
}

LARGE: Final = Layout(servers=30, per_service=6, zones=3, pool=4, poll=seconds(10))

LARGE_STORIES: Final = {
    story.name: story
    for story in (
        _story(
            "rise: everything is built from nothing while builds break and creations lose their answers",
            _fault("builds-break", 1, 60, amount=200),
            _fault("creates-lost", 1, 60, amount=300),
            begins=Beginning.NOTHING,
            layout=LARGE,
            lasts=120,
        ),
        _story(
            "losses: servers die one after the other, a zone goes dark and comes back, records are removed by hand",
            *(_fault("server-dies", 5 + 12 * number, target=7 * number) for number in range(4)),
            _fault("zone-dark", 60, 90),
            _fault("record-removed-by-hand", 170, amount=4),
            layout=LARGE,
            lasts=240,
        ),
        _story(
            "upgrades: services are upgraded in each of the ways, one badly, one is taken back, while a server dies",
            _fault("upgrade-good", 5, amount=0),
            _fault("upgrade-good", 8, target=1, amount=1),
            _fault("upgrade-bad", 11, target=2, amount=1),
            _fault("canary-good", 14, target=3),
            _fault("server-dies", 60, target=8),
            _fault("upgrade-rolled-back", 200),
            _fault("rollout-ordered", 220, target=3, amount=1),
            layout=replace(LARGE, per_service=2),
            traffic=Traffic(base=60),
            lasts=240,
            settle=180,
        ),
        _story(
            "sizes: services grow, shrink, are left out and come back, while deletions are ignored or break",
            _fault("deletes-ignored", 1, 120, amount=300),
            _fault("deletes-break", 1, 120, amount=300),
            _fault("scale-out", 5, 120, amount=4),
            _fault("scale-in", 10, 100, target=1, amount=3),
            _fault("service-removed", 30, 60, target=2),
            layout=LARGE,
            lasts=180,
        ),
        _story(
            "registry: the registry loses answers, a leader, a session and goes away, while servers die",
            _fault("registry-loses-answers", 1, 150, amount=100),
            *(_fault("server-dies", 5 + 25 * number, target=7 * number) for number in range(5)),
            _fault("registry-leader-lost", 35, 3),
            _fault("mcp-session-expires", 70),
            _fault("registry-away", 100, 20),
            layout=LARGE,
        ),
        _story(
            "cloud: the cloud refuses, forgets and delays what it is asked for, while servers die and a service grows",
            _fault("creates-late", 1, 90, amount=200),
            _fault("api-conflicts", 1, 90, amount=200),
            _fault("creates-refused", 1, 120, amount=200),
            *(_fault("server-dies", 5 + 25 * number, target=7 * number) for number in range(4)),
            _fault("scale-out", 20, 60, amount=4),
            layout=LARGE,
        ),
        _story(
            "adoption: the registry is emptied amid repairs, hfs restarted, and an operator adopts the fleet",
            *(_fault("server-dies", 5 + 4 * number, target=7 * number) for number in range(3)),
            _fault("registry-wiped", 12),
            _fault("mcp-killed", 20, 1),
            _fault("fleet-adopted", 60),
            layout=LARGE,
            lasts=120,
        ),
        _story(
            "offices: three appliances behind a load balancer; the office is handed over, and frozen, amid repairs",
            *(_fault("server-dies", 5 + 20 * number, target=7 * number) for number in range(5)),
            _fault("office-handed-over", 8),
            _fault("leader-frozen", 40, 20),
            _fault("office-handed-over", 75),
            _fault("appliance-lost", 90, 30, target=1, amount=1),
            layout=replace(LARGE, appliances=3, balancer=True),
        ),
    )
}
"""Several things at once, in a fleet of a few services: too long to be played at each step."""
