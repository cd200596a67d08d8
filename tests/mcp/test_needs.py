"""Needs: what is kept of a service from plan to plan, and the stock that those who are short of instances share."""

from __future__ import annotations

from hfs_appliance.factory.freshness import Grade
from hfs_appliance.factory.policy import Stock
from hfs_appliance.mcp.facts import circumstances
from hfs_appliance.mcp.needs import Needs
from hfs_appliance.mcp.standings import Standings
from hfs_appliance.model.ids import AvailabilityZone, ServerId, ServiceName
from hfs_appliance.model.instants import MINUTE, Duration, after
from sim.worlds import Fleet, desired

DNS, MAIL = ServiceName("dns"), ServiceName("mail")
WEST, EAST = AvailabilityZone("west"), AvailabilityZone("east")


class Sight:
    """Needs that follow a fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.standings, self.needs = fleet, Standings(), Needs()

    def look(self) -> Needs:
        world = self.fleet.world()
        assert world.desired is not None
        stirred = self.standings.look(world, circumstances(world, world.desired))
        self.needs.look(world.desired.services, self.standings.tally, stirred)
        return self.needs


def standing(counts: dict[str, dict[str, int]]) -> Sight:
    fleet = Fleet(desired=desired(counts, pool_size=0))
    fleet.settle()
    return Sight(fleet)


def test_a_service_that_is_as_wanted_needs_nothing() -> None:
    needs = standing({"dns": {"1": 3}}).look()
    assert not needs.restless
    assert not [*needs.shortages(), *needs.excesses()]


def test_what_is_lost_is_lacking_and_comes_in_its_place_and_the_others_stay_as_counted() -> None:
    sight = standing({"dns": {"1": 3}, "mail": {"1": 2}})
    counted = sight.look().counts[MAIL]
    sight.fleet.kill(sight.fleet.serving("dns", "1")[0])
    sight.fleet.now = after(sight.fleet.now, Duration(2 * MINUTE))
    needs = sight.look()
    assert needs.restless == {DNS}
    [shortage] = needs.shortages()
    assert (shortage.service.name, shortage.short, shortage.replacing) == (DNS, 1, 1)
    assert needs.counts[MAIL] is counted


def test_fewer_wanted_is_an_excess_and_a_service_that_nobody_wants_has_all_too_many() -> None:
    sight = standing({"dns": {"1": 3}, "mail": {"1": 2}})
    sight.look()
    sight.fleet.desired = desired({"dns": {"1": 1}}, pool_size=0)
    assert [(excess.name, len(excess.leaving)) for excess in sight.look().excesses()] == [(DNS, 2), (MAIL, 2)]
    assert next(iter(sight.needs.excesses())).service is not None


def test_the_stock_gives_the_oldest_of_the_zone_with_the_fewest_instances() -> None:
    stock = Stock((Grade.FRESH, ServerId(name), az) for name, az in (("b-2", WEST), ("a-1", EAST), ("c-3", WEST)))
    assert stock.take({EAST: 1}) == (ServerId("b-2"), WEST)
    assert stock.take({}) == (ServerId("a-1"), EAST)  # of equal zones the one with the oldest server
    assert stock.take({}) == (ServerId("c-3"), WEST)
    assert not stock
    assert stock.take({}) is None
