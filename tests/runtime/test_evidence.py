"""What `hfs explain` says of each witness."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.probes import Answer, Probe, Pulse
from hfs_appliance.runtime.evidence import evidence
from sim.worlds import EPOCH, Fleet, desired


def test_every_witness_says_what_it_knows() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    fleet.settle()
    (server,) = fleet.serving("dns", "1")
    world = fleet.world()
    told = evidence(world, server)
    assert told.keys() == {"record", "cloud", "pool", "registration"}
    assert told["registration"] == "dns 1 up at 10.0.0.1:8000"
    assert told["cloud"].startswith("active at 10.0.0.1 in az1, made 2023-11-14T22:13:20.000Z (asked ")
    answers = {
        server: Probe(answer=Answer(pulse=Pulse.SICK, words="status 503"), at=Instant(EPOCH), failures=4, darks=0),
    }
    asked = evidence(replace(world, probes=answers), server)
    assert asked["probe"] == "sick: status 503, 4 bad answers in a row (asked 2023-11-14T22:13:20.000Z)"


def test_who_was_never_heard_says_so() -> None:
    fleet = Fleet(desired=desired({}))
    world = replace(fleet.world(), cloud=None, registry=None, now=Instant(EPOCH + SECOND))
    assert evidence(world, ServerId("small-0001")) == {"record": "not read yet", "cloud": "not read yet"}
