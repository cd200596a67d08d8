"""Upgrades of a whole control plane in a simulated world: nobody is missed on the way, and there is a way back."""

from __future__ import annotations

import pytest

from hfs_appliance.model.events import Event
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import MINUTE, Duration, Instant, seconds
from hfs_appliance.model.rollout import Order, RolloutPhase, Strategy
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp, TrafficChanged
from hfs_appliance.ports.errors import Conflict, Rejected, UnknownName
from hfs_appliance.runtime.control import ApplianceControl
from sim.asking import changing
from sim.fleet import Simulation
from tests.support.fleets import demand_whole, play, settled

DNS = ServiceName("dns")
HALF_AN_HOUR = Duration(30 * MINUTE)


class Story:
    """Hears how a rollout goes, and when."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.told: list[tuple[Instant, Event]] = []
        kinds = (RolloutChanged, RolloutGivenUp, TrafficChanged)
        sim.bus.subscribe(
            "test", lambda told: self.told.append((told.at, told.event)) if isinstance(told.event, kinds) else None
        )

    @property
    def phases(self) -> list[str]:
        return [event.phase for _, event in self.told if isinstance(event, RolloutChanged | RolloutGivenUp)]

    @property
    def phase(self) -> str:
        return self.phases[-1] if self.phases else ""

    async def until(self, phase: RolloutPhase) -> None:
        await self.sim.until(lambda: self.phase == phase, HALF_AN_HOUR, f"{phase} was not reached: {self.told}")

    def routed(self) -> set[str]:
        """Name the versions to which a request for dns may go."""
        table = self.sim.proxy.table
        assert table is not None
        return {member.version for member in table.routes[DNS].members}


def to_version(version: str, service: str = "dns") -> object:
    old = f'[service.{service}]\npool = "small"\nport = 9000\nrun = {{ command = ["serve"] }}\nversion = {{ "1.0.0"'
    return changing(lambda source: source.replace(old, old.replace("1.0.0", version)))


def upgrade(sim: Simulation, version: str) -> None:
    sim.ask("upgrade", to_version(version))  # type: ignore[arg-type]


def stored(sim: Simulation, room: str) -> list[str]:
    """Name the entries of a room of the registry."""
    parent = f"/hfs/sim/{room}/"
    return [path for path in sim.ensemble.core.tree.znodes if path.startswith(parent)]


def test_a_fleet_without_rollouts_writes_nothing_for_them() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        await sim.pass_time(HALF_AN_HOUR)
        assert (stored(sim, "rollouts"), stored(sim, "traffic"), len(stored(sim, "proxies"))) == ([], [], 1)

    play(story)


def test_a_service_that_begins_with_two_versions_has_no_rollout() -> None:
    async def story(sim: Simulation) -> None:
        heard = Story(sim)
        await settled(sim)
        assert heard.told == []

    play(story, {"dns": {"1.0.0": 4, "2.0.0": 2}})


@pytest.mark.parametrize("seed", [1, 2])
def test_a_new_version_comes_up_beside_the_old_one_and_takes_over_at_once(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        heard = Story(sim)
        upgrade(sim, "2.0.0")
        await heard.until(RolloutPhase.CUTOVER)
        assert heard.routed() == {"1.0.0"}
        assert (len(sim.serving("dns")), len(sim.serving("dns", "2.0.0"))) == (3, 3)
        await heard.until(RolloutPhase.SOAK)
        assert heard.routed() == {"2.0.0"}
        await sim.pass_time(Duration(4 * MINUTE))
        assert len(sim.serving("dns")) == 3
        await sim.converged(HALF_AN_HOUR)
        demand_whole(sim)
        assert heard.phases == ["preflight", "expand", "cutover", "soak", "contract", "done"]
        assert stored(sim, "traffic") == []

    play(story, seed=seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_while_the_old_version_is_warm_the_way_back_takes_less_than_a_second(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        heard = Story(sim)
        upgrade(sim, "2.0.0")
        await heard.until(RolloutPhase.SOAK)
        await sim.pass_time(seconds(20))
        asked_at = sim.clock.now()
        sim.ask("go back", changing(lambda source: source.replace("2.0.0", "1.0.0")))
        await sim.until(lambda: heard.routed() == {"1.0.0"}, seconds(5), "requests have not gone back")
        assert sim.clock.now() - asked_at < seconds(1)
        await sim.converged(HALF_AN_HOUR)
        demand_whole(sim)
        assert len(sim.serving("dns")) == 3
        assert heard.phases[-3:] == ["abort", "contract", "done"]

    play(story, seed=seed)


def test_a_version_that_never_comes_up_is_taken_back_by_itself() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        heard = Story(sim)
        sim.service_faults.broken_versions.add(Version("2.0.0"))
        upgrade(sim, "2.0.0")
        await heard.until(RolloutPhase.ABORT)
        assert heard.routed() == {"1.0.0"}
        await sim.converged(HALF_AN_HOUR)
        assert len(sim.serving("dns")) == 3
        assert sim.now is not None
        desired = sim.now.plane.desired.current
        assert desired is not None
        assert desired.services[DNS].versions == {"1.0.0": 3, "2.0.0": 0}

    play(story)


@pytest.mark.parametrize("phase", [RolloutPhase.EXPAND, RolloutPhase.CUTOVER, RolloutPhase.SOAK, RolloutPhase.CONTRACT])
def test_the_next_control_plane_goes_on_with_a_rollout(phase: RolloutPhase) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        heard = Story(sim)
        upgrade(sim, "2.0.0")
        await heard.until(phase)
        sim.kill()
        await sim.pass_time(seconds(30))
        sim.start()
        await sim.pass_time(seconds(30))
        await sim.converged(HALF_AN_HOUR)
        demand_whole(sim)
        assert heard.routed() == {"2.0.0"}
        assert heard.phases.count("preflight") == 1

    play(story)


def test_every_proxy_must_have_heard_before_anybody_leaves() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.start("mcp-2")
        await sim.pass_time(seconds(20))
        heard, second = Story(sim), sim.appliances["mcp-2"].place.proxy
        upgrade(sim, "2.0.0")
        await heard.until(RolloutPhase.EXPAND)
        second.hang()
        await heard.until(RolloutPhase.CUTOVER)
        await sim.pass_time(Duration(5 * MINUTE))
        assert heard.phase == RolloutPhase.CUTOVER
        second.go_on()
        await heard.until(RolloutPhase.SOAK)

    play(story)


# -- what operators ask for --------------------------------------------------------------------------------------------


def control(sim: Simulation) -> ApplianceControl:
    assert sim.now is not None
    return sim.now.control


def test_an_operator_upgrades_pauses_and_goes_back() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        heard = Story(sim)
        with pytest.raises(Rejected, match="has had no rollout"):
            await control(sim).roll_back(DNS, "me")
        with pytest.raises(Rejected, match="no rollout of dns is in progress: nothing is changed"):
            await control(sim).order_rollout(DNS, Order.ABORT)
        with pytest.raises(Rejected, match=r"runs 1\.0\.0 already"):
            await control(sim).upgrade(DNS, Version("1.0.0"), None, "me")
        with pytest.raises(Rejected, match="is no name of a version"):
            await control(sim).upgrade(DNS, Version("2;"), None, "me")
        with pytest.raises(UnknownName):
            await control(sim).upgrade(ServiceName("dsn"), Version("2.0.0"), None, "me")
        assert control(sim).rollouts() == []
        await control(sim).upgrade(DNS, Version("2.0.0"), Strategy.CANARY, "me")
        await heard.until(RolloutPhase.CANARY)
        await control(sim).order_rollout(DNS, Order.PAUSE)
        await sim.pass_time(Duration(20 * MINUTE))
        (report,) = control(sim).rollouts()
        assert (report.phase, report.is_paused, report.is_held, report.waits_for) == (
            "canary",
            True,
            True,
            "paused by an operator",
        )
        assert (report.weights, report.lagging) == ({"2.0.0": 50, "1.0.0": 950}, ())
        await control(sim).order_rollout(DNS, Order.RESUME)
        await sim.pass_time(seconds(1))
        await control(sim).order_rollout(DNS, Order.PROMOTE_FULL)
        await heard.until(RolloutPhase.SOAK)
        asked_at = sim.clock.now()
        assert (await control(sim).roll_back(DNS, "me")).order == "abort"
        await sim.until(lambda: heard.routed() == {"1.0.0"}, seconds(5), "requests have not gone back")
        assert sim.clock.now() - asked_at < seconds(1)
        with pytest.raises(Rejected, match="is being taken back already"):
            await control(sim).order_rollout(DNS, Order.ABORT)
        await sim.converged(HALF_AN_HOUR)
        demand_whole(sim)
        with pytest.raises(Rejected, match="was taken back"):
            await control(sim).roll_back(DNS, "me")
        # Nobody needs to say which version: the other one was left without instances.
        await control(sim).scale(DNS, None, 4, "me")
        await sim.pass_time(seconds(1))
        await sim.converged(HALF_AN_HOUR)
        assert len(sim.serving("dns")) == 4

    play(story)


def test_the_former_version_can_be_had_again_when_it_is_gone() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        heard = Story(sim)
        await control(sim).upgrade(DNS, Version("2.0.0"), Strategy.ROLLING, "me")
        await sim.pass_time(seconds(1))
        await sim.converged(HALF_AN_HOUR)
        assert heard.routed() == {"2.0.0"}
        assert (await control(sim).roll_back(DNS, "me")).order == "rollback"
        await sim.pass_time(seconds(1))
        await sim.converged(HALF_AN_HOUR)
        demand_whole(sim)
        assert heard.routed() == {"1.0.0"}

    play(story)


def test_both_versions_stay_when_they_are_compared() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        heard = Story(sim)
        await control(sim).upgrade(DNS, Version("2.0.0"), Strategy.AB, "me")
        await heard.until(RolloutPhase.DONE)
        await sim.converged(HALF_AN_HOUR)
        demand_whole(sim)
        assert heard.routed() == {"1.0.0", "2.0.0"}
        with pytest.raises(Rejected, match=r"has versions 1\.0\.0, 2\.0\.0: say which one, as in --version 2\.0\.0"):
            await control(sim).scale(DNS, None, 4, "me")

    play(story)


def test_every_generation_is_kept_with_who_made_it_and_by_what() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        await control(sim).scale(DNS, None, 4, "ann")
        await control(sim).upgrade(ServiceName("domains"), Version("2.0.0"), None, "ben")
        told = [(each.generation, each.author, each.words) for each in await control(sim).history()]
        assert told[:2] == [(3, "ben", "hfs upgrade domains 2.0.0"), (2, "ann", "hfs scale dns 1.0.0 to 4")]
        assert [each.is_in_force for each in await control(sim).history()] == [True, False, False]
        changes = await control(sim).difference(1, 2)
        assert [(change.path, change.before, change.after) for change in changes] == [
            ('service.dns.version."1.0.0".instances', "3", "4")
        ]
        with pytest.raises(Rejected, match="generation 9 is not kept"):
            await control(sim).difference(1, 9)
        with pytest.raises(Conflict, match="generation 3 is in force, by ben, not 2: plan again"):
            await control(sim).restore(1, "cem", 2)
        assert (await control(sim).restore(1, "cem", 3)).generation == 4
        assert (await control(sim).history())[0].words == "as generation 1 was"
        await sim.pass_time(seconds(1))
        await sim.converged(HALF_AN_HOUR)
        demand_whole(sim)
        assert (len(sim.serving("dns")), len(sim.serving("domains"))) == (3, 2)

    play(story)
