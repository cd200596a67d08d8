"""The books: whatever is left over, there twice or still to be done is counted; a fleet at rest has nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hfs_appliance.model.balancer import BalancerMember, Place
from hfs_appliance.model.ids import Nonce, ServerId, ServiceName
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.rollout import Rollout, RolloutPhase
from hfs_appliance.registry.formats import read_assignment, read_record, write
from sim import books
from sim.books import Books
from sim.fleet import Simulation
from sim.standing import let_stand
from sim.wire.zookeeper.requests import Create, Delete, SetValue
from sim.wire.zookeeper.values import OPEN
from tests.support.fleets import SOON, play

CLAIMED, WARM = ServerId("small-0001"), ServerId("small-0006")


def value(sim: Simulation, path: str) -> bytes:
    return sim.ensemble.core.tree.znodes[path].value or b""


def recorded(server: ServerId, change: Callable[[ServerRecord], ServerRecord]) -> Callable[[Simulation], None]:
    def spoil(sim: Simulation) -> None:
        path = sim.layout.record(server)
        sim.ensemble.change(SetValue(path=path, value=write(change(read_record(value(sim, path))))))

    return spoil


def strange_machine(sim: Simulation) -> None:
    spec = sim.datacentre.find(CLAIMED).spec
    sim.datacentre.create(replace(spec, server=ServerId("small-0099"), nonce=Nonce("f" * 16)))


def record_removed(sim: Simulation) -> None:
    sim.ensemble.change(Delete(path=sim.layout.record(CLAIMED)))


def machine_removed(sim: Simulation) -> None:
    sim.datacentre.machines.pop(WARM)


def same_slot(sim: Simulation) -> None:
    given = read_assignment(value(sim, sim.layout.assignment(CLAIMED)))
    twin = replace(given, server=WARM, nonce=sim.datacentre.find(WARM).spec.nonce)
    sim.ensemble.change(Create(path=sim.layout.assignment(WARM), value=write(twin), access=OPEN))


def rollout_amid(sim: Simulation) -> None:
    rollout = Rollout(service=ServiceName("dns"), phase=RolloutPhase.SOAK, target={}, since=Instant(0), number=1)
    sim.ensemble.change(Create(path=sim.layout.rollout(rollout.service), value=write(rollout), access=OPEN))


def member_of_nobody(sim: Simulation) -> None:
    sim.octavia.members = (BalancerMember(place=Place("10.255.0.9", 8080), weight=1),)


NO_MACHINE = "the record of small-0006 waits for its machine"
DUE = "small-0001 is to leave for scale-in"


@pytest.mark.parametrize(
    ("spoil", "leaks", "duplicates", "open_intents"),
    [
        (lambda _: None, [], [], []),
        (strange_machine, ["small-0099 has no record of its own"], ["machine 8, 7 are wanted"], []),
        (
            recorded(WARM, lambda record: replace(record, nonce=Nonce("f" * 16))),
            ["small-0006 has no record of its own"],
            [],
            [],
        ),
        (record_removed, ["small-0001 has no record of its own", "small-0001 has a role and no record"], [], []),
        (machine_removed, [], [], [NO_MACHINE]),
        (same_slot, [], ["2 servers are dns 1.0.0 slot 0"], []),
        (recorded(CLAIMED, lambda record: replace(record, drain_at=Instant(1), leave_cause="scale-in")), [], [], [DUE]),
        (
            recorded(CLAIMED, lambda record: replace(record, delete_at=Instant(1), leave_cause="scale-in")),
            [],
            [],
            [DUE],
        ),
        (
            recorded(CLAIMED, lambda record: replace(record, failed_at=Instant(1), leave_cause="scale-in")),
            [],
            [],
            [DUE],
        ),
        (
            recorded(CLAIMED, lambda record: replace(record, ready_at=None)),
            [],
            [],
            ["small-0001 was claimed for dns, and nobody says that it serves"],
        ),
        (
            recorded(WARM, lambda record: replace(record, built_at=None)),
            [],
            [],
            ["small-0006 was created, and nobody says that it is built"],
        ),
        (rollout_amid, [], [], ["the rollout of dns is in soak"]),
        (member_of_nobody, ["10.255.0.9:8080 is behind the load balancer, and nobody runs there"], [], []),
    ],
)
def test_what_does_not_add_up_is_told(
    spoil: Callable[[Simulation], None], leaks: list[str], duplicates: list[str], open_intents: list[str]
) -> None:
    async def story(sim: Simulation) -> Books:
        let_stand(sim)
        sim.start()
        await sim.converged(SOON)
        await sim.pass_time(seconds(2))
        sim.kill()  # nobody puts anything right
        spoil(sim)
        await sim.pass_time(seconds(3))
        return books.close(sim)

    told = play(story)
    assert (list(told.leaks), list(told.duplicates), list(told.open_intents)) == (leaks, duplicates, open_intents)
