"""The guards over the whole control plane: what must not be destroyed is not, and what must be replaced is."""

from __future__ import annotations

import pytest

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import HOUR, MINUTE, Duration, seconds
from hfs_appliance.ports.errors import Rejected, UnknownName
from sim.fleet import Simulation
from tests.support.fleets import SOON, demand_whole, play, settled

DNS = ServiceName("dns")
SERVICES = {"dns": {"1.0.0": 8}}


def test_instances_that_are_cut_off_from_the_registry_and_serve_are_replaced_and_kept() -> None:
    """N3: much later they still answer whoever asks them, and nobody has destroyed them."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        cut_off = sim.serving("dns")[:2]
        for server in cut_off:
            link = sim.server(server).link
            assert link is not None
            link.go_silent()
        await sim.pass_time(Duration(40 * MINUTE))
        assert sim.datacentre.deletions == 0
        assert set(cut_off) < set(sim.serving("dns"))
        assert len(sim.serving("dns")) == 10
        for server in cut_off:
            link = sim.server(server).link
            assert link is not None
            link.heal()
        await sim.pass_time(Duration(MINUTE))
        await sim.converged(SOON)
        demand_whole(sim)

    play(story, SERVICES)


def test_instances_that_nobody_reaches_are_not_dead_because_we_cannot_reach_them() -> None:
    """N4: our probes find nothing anywhere, but whoever is registered is not asked."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.prober.is_cut_off = True
        await sim.pass_time(Duration(20 * MINUTE))
        assert sim.datacentre.deletions == sim.prober.asked == 0

    play(story, SERVICES)


def test_a_server_that_went_dark_unnoticed_is_deleted_on_what_it_answers() -> None:
    """V5: the cloud calls it active for ever; that nothing is there is the second witness."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        dark = sim.datacentre.find(sim.serving("dns")[0])
        sim.datacentre.lose_power([dark], is_noticed=False)
        await sim.pass_time(Duration(MINUTE))
        assert len(sim.serving("dns")) == 8
        await sim.pass_time(Duration(10 * MINUTE))
        assert dark.spec.server not in sim.datacentre.machines
        assert sim.datacentre.deletions == 1
        demand_whole(sim)

    play(story, SERVICES)


def test_half_a_fleet_that_dies_is_replaced_at_once_and_cleared_away_within_the_budget() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        dead = sim.serving("dns")[:4]
        for server in dead:
            sim.datacentre.kill(server)
        await sim.pass_time(Duration(2 * MINUTE))
        assert len(sim.serving("dns")) == 8
        assert sim.datacentre.deletions == 3
        assert sim.now is not None
        assert "destroy-budget" in [hold.rule for hold in sim.now.control.status().holds]
        sim.kill()
        sim.start()
        await sim.pass_time(Duration(2 * MINUTE))
        assert sim.datacentre.deletions == 3, "the next one knows what was spent"
        await sim.converged(SOON)
        assert sim.datacentre.deletions == 4
        demand_whole(sim)

    play(story, SERVICES)


async def observed_only(sim: Simulation, rule: str, span: Duration = Duration(30 * MINUTE)) -> None:
    """Let time pass in which nothing is done, and demand that the reason is told."""
    made = (sim.datacentre.ever_made, sim.datacentre.deletions)
    serving = sim.serving("dns")
    await sim.pass_time(span)
    assert (sim.datacentre.ever_made, sim.datacentre.deletions) == made
    assert sim.serving("dns") == serving
    assert sim.proxy.table is not None
    assert {member.instance for member in sim.proxy.table.routes[DNS].members} == set(serving)
    assert sim.now is not None
    assert rule in [hold.rule for hold in sim.now.control.status().holds]


async def adopted(sim: Simulation) -> None:
    """Adopt, and demand that the fleet is whole without a server lost."""
    there = set(sim.datacentre.machines)
    assert sim.now is not None
    await sim.now.control.adopt("an operator")
    await sim.pass_time(Duration(MINUTE))
    await sim.converged(HOUR)
    assert there == set(sim.datacentre.machines)
    demand_whole(sim)


@pytest.mark.parametrize("is_new", [False, True], ids=["under a running hfs", "and hfs is started anew"])
def test_a_wiped_registry_is_observed_until_it_is_adopted(*, is_new: bool) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        if is_new:
            sim.kill()
        sim.ensemble.restore(None)
        if is_new:
            sim.start()
        await observed_only(sim, "registry-wiped" if is_new else "registry-rolled-back")
        await adopted(sim)

    play(story, SERVICES)


@pytest.mark.parametrize("is_new", [False, True], ids=["under a running hfs", "and hfs is started anew"])
def test_a_registry_that_was_rolled_back_is_observed_until_it_is_adopted(*, is_new: bool) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        early = sim.ensemble.snapshot()
        await sim.now.control.scale(DNS, None, 10, "test")
        for server in sim.serving("dns")[:2]:
            sim.datacentre.kill(server)
        await sim.pass_time(Duration(MINUTE))
        await sim.converged(SOON)
        assert len(sim.serving("dns")) == 10
        if is_new:
            sim.kill()
        sim.ensemble.restore(early)
        if is_new:
            sim.start()
        await observed_only(sim, "registry-older")
        assert sim.now is not None
        if is_new:
            await sim.now.control.scale(DNS, None, 10, "test")
        await adopted(sim)
        assert len(sim.serving("dns")) == 10

    play(story, SERVICES)


def test_a_wrong_project_is_observed_and_ends_by_itself() -> None:
    """O15, H14: an empty list of another project, to a running hfs and to a new one."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.datacentre.faults.is_other_project = True
        await observed_only(sim, "project-mismatch")
        sim.kill()
        sim.start()
        await observed_only(sim, "project-mismatch")
        sim.datacentre.faults.is_other_project = False
        await sim.pass_time(Duration(MINUTE))
        await sim.converged(SOON)
        demand_whole(sim)

    play(story, SERVICES)


def test_an_instance_of_a_registry_rolled_back_goes_on_though_it_is_unknown_there() -> None:
    """Its agent finds neither role nor record; the ledger, which does not count as far as its number, tells it why."""

    async def story(sim: Simulation) -> None:
        sim.start()
        await sim.pass_time(seconds(4))
        early = sim.ensemble.snapshot()
        await sim.converged(SOON)
        serving = sim.serving("dns")
        sim.kill()
        sim.ensemble.restore(early)
        await sim.pass_time(Duration(10 * MINUTE))
        assert sim.serving("dns") == serving

    play(story, SERVICES)


def test_a_hold_outlives_hfs_and_nothing_of_its_scope_leaves_before_it_is_released() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        control = sim.now.control
        assert await control.hold("dns", "we look at the crashes", "eva", None) == "service/dns"
        with pytest.raises(UnknownName, match="did you mean 'dns'"):
            await control.hold("dnss", "no", "eva", None)
        with pytest.raises(Rejected, match="needs a reason"):
            await control.hold("dns", " ", "eva", None)
        sim.datacentre.kill(sim.serving("dns")[0])
        await sim.pass_time(Duration(MINUTE))
        sim.kill()
        sim.start()
        await sim.pass_time(Duration(5 * MINUTE))
        assert sim.now is not None
        control = sim.now.control
        assert (len(sim.serving("dns")), sim.datacentre.deletions) == (8, 0)
        (card,) = control.holds()
        assert (card.scope, card.rule, card.amount) == ("service/dns", "operator-hold", 1)
        assert card.choices == ("hfs release service/dns: end the hold",)
        with pytest.raises(Rejected, match=r"operator-hold.*waits for something else"):
            await control.approve("dns", "eva")
        assert await control.release("dns") == "service/dns"
        with pytest.raises(Rejected, match="nobody holds dns"):
            await control.release("dns")
        await sim.converged(SOON)
        demand_whole(sim)

    play(story, SERVICES)


def test_a_hold_that_holds_nothing_back_is_told_and_expires() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        control = sim.now.control
        await control.hold("environment", "a night without surprises", "eva", Duration(HOUR))
        assert [(card.scope, card.amount) for card in control.holds()] == [("environment", 0)]
        assert control.status().converged
        with pytest.raises(Rejected, match="no guard holds anything there"):
            await control.approve("small", "eva")
        await sim.pass_time(HOUR)
        assert list(control.holds()) == []

    play(story, SERVICES)


def test_a_storm_is_shown_with_what_can_be_done_and_an_approval_ends_it() -> None:
    """Half of a service goes silent without a word of the cloud: it is kept until somebody has looked."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        silent = [sim.datacentre.find(server) for server in sim.serving("dns")[:4]]
        sim.datacentre.lose_power(silent, is_noticed=False)
        await sim.pass_time(Duration(20 * MINUTE))
        assert sim.now is not None
        control = sim.now.control
        assert (len(sim.serving("dns")), sim.datacentre.deletions) == (7, 0), (
            "three of four: it is a storm over all, too"
        )
        (card,) = (card for card in control.holds() if card.scope == "service/dns")
        assert (card.rule, card.amount) == ("storm", 4)
        assert [choice.split(":")[0] for choice in card.choices] == [
            "hfs approve service/dns",
            "hfs hold service/dns --reason …",
            "wait",
        ]
        assert [approved.rule for approved in await control.approve("dns", "eva")] == ["storm"]
        await sim.converged(HOUR)
        assert sim.datacentre.deletions == 4
        assert len(sim.serving("dns")) == 8
        assert sim.records() == sorted(sim.datacentre.machines)

    play(story, SERVICES)
