"""The checker of the floor while versions change: what has the requests stands whole, whatever else leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hfs_appliance.model.ids import Version
from hfs_appliance.model.traffic import WHOLE
from sim.checkers.floor import Floor
from sim.entries import Author, DesiredStored, TrafficWritten
from tests.sim.checkers.stage import DNS, V1, Stage, registered, role

V2, V3 = Version("2.0.0"), Version("3.0.0")
LEAVER = "small-9"


def wished(stage: Stage, version: Version) -> None:
    """Have three instances of another version desired, for long enough that nobody can say they did not know."""
    desired = stage.census.desired
    assert desired is not None
    service = replace(desired.services[DNS], versions={version: 3})
    stage.tell(
        DesiredStored(author=Author.PLANE, generation=9, desired=replace(desired, services={DNS: service})),
    )
    stage.wait(61)


@pytest.mark.parametrize(
    ("old", "weights", "is_wrong"),
    [
        (3, {V1: WHOLE}, False),
        (2, {V1: WHOLE}, True),
        (3, {V1: 900, V2: 100}, True),
        (3, {V2: WHOLE}, True),
        (3, None, True),
    ],
    ids=["the first has all requests", "the first is not whole", "it has some itself", "it has all", "nobody is told"],
)
def test_what_a_former_wish_began_leaves_while_the_first_version_serves(
    old: int, weights: Mapping[Version, int] | None, *, is_wrong: bool
) -> None:
    stage = Stage(Floor, {"dns": 3})
    stage.serve(*(f"small-{number + 1}" for number in range(old)))
    wished(stage, V2)
    stage.make(LEAVER)
    stage.tell(replace(registered(LEAVER), version=V2))
    wished(stage, V3)
    if weights is not None:
        stage.tell(TrafficWritten(author=Author.PLANE, service=DNS, epoch=1, weights=weights))
    stage.tell(replace(role(LEAVER, is_draining=True), version=V2))
    assert bool(stage.accused) is is_wrong
