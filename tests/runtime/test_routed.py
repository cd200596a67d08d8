"""Why an instance has traffic or has none, and how requests are divided, in words."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.observed import InstanceStatus, Registration, Trouble
from hfs_appliance.model.traffic import Carrier, Match, Share, SplitBy, SplitKey, Traffic
from hfs_appliance.proxy.routing import next_table
from hfs_appliance.proxy.table import Route
from hfs_appliance.runtime.routed import roles, routing
from sim.worlds import Fleet, desired

DNS = ServiceName("dns")


def _routed(fleet: Fleet, epoch: Traffic | None = None) -> Route:
    traffic = {DNS: epoch} if epoch is not None else {}
    table = next_table(None, fleet.desired, fleet.registrations, traffic, removals_believed=True).table
    return table.routes[DNS]


def _explain(fleet: Fleet, route: Route) -> dict[str, tuple[str, str]]:
    world = fleet.world()
    assert world.registry is not None
    view = world.registry.value
    told = routing(route, view, decide(world), roles(view, DNS), doubt="", refused="")
    return {each.instance: (each.traffic, each.words) for each in told.members}


def test_who_has_no_traffic_is_told_why() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 5}}, pool_size=0))
    fleet.settle()
    route = _routed(fleet)
    first, second, third, fourth, fifth = fleet.serving("dns", "1")
    entries = fleet.registrations[DNS]
    del entries[first]
    entries[second] = replace(entries[second], status=InstanceStatus.DRAINING)
    told = _explain(fleet, route)
    assert told[first] == ("yes", "its registration is gone; the proxy tries it until it can be spared")
    assert told[second] == ("yes", "drains; leaves the endpoint in a moment")
    assert told[third] == told[fourth] == told[fifth] == ("yes", "registered")
    gone = replace(route, members=tuple(m for m in route.members if m.instance in {third, fourth}))
    entries["new"] = replace(entries[fifth], instance="new", server=None, czxid=9)
    entries["odd"] = Registration(service=DNS, instance="odd", version=Version("9"), address="10.9.9.9", port=1)
    told = _explain(fleet, gone)
    lost = "not registered: lost its registration, though the cloud says that it runs: replaced, kept for now"
    assert told[first] == ("no", lost)
    assert told[second] == ("no", "registered as draining: it lets its open requests end")
    assert told[fifth] == ("no", "new has registered at the same place since")
    assert told["new"] == ("no", "registered; the proxy has not taken it in yet")
    assert told["odd"] == ("no", "registered; no requests go to version 9 now")


def test_an_agent_says_why_its_instance_is_not_registered() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    fleet.settle()
    (server,) = fleet.serving("dns", "1")
    route = replace(_routed(fleet), members=())
    del fleet.registrations[DNS][server]
    world = fleet.world()
    assert world.registry is not None
    trouble = Trouble(server=ServerId(server), nonce=fleet.records[server].nonce, words="port 80 is taken")
    view = replace(world.registry.value, troubles={server: trouble})
    (told,) = routing(route, view, decide(world), [server], doubt="", refused="").members
    assert told.words.endswith("; its agent says: port 80 is taken")


def test_a_division_is_told_by_weight_and_match() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3, "2": 1, "3": 1}}, pool_size=0))
    fleet.settle()
    beta = Match(carrier=Carrier.COOKIE, name="beta", value="on")
    shares = (
        Share(version=Version("2"), weight=125, instances=1, matches=(beta,)),
        Share(version=Version("1"), weight=875, instances=3),
        Share(version=Version("3"), weight=0, instances=1),
    )
    epoch = Traffic(service=DNS, epoch=4, shares=shares, key=SplitKey(by=SplitBy.COOKIE, cookie="session"))
    route = _routed(fleet, epoch)
    world = fleet.world()
    assert world.registry is not None
    told = routing(route, world.registry.value, decide(world), [], doubt="kept", refused="nginx says no")
    assert [(each.version, each.weight, each.members, each.matches) for each in told.divisions] == [
        ("2", 125, 1, ("cookie beta = on",)),
        ("1", 875, 3, ()),
    ]
    assert (told.epoch, told.divided_by) == (4, "cookie session; requests without it each for itself")
    assert told.words == "kept; what should be served is not served yet: nginx says no"
    assert [each.traffic for each in told.members].count("standby") == 1
    undivided = routing(_routed(fleet), world.registry.value, decide(world), [], doubt="", refused="")
    assert [(each.version, each.weight) for each in undivided.divisions] == [("1", 600), ("2", 200), ("3", 200)]
    assert undivided.divided_by == ""
    for key, words in ((SplitKey(), "each request for itself"), (SplitKey(by=SplitBy.ADDRESS), "the client's address")):
        divided = routing(replace(route, key=key), world.registry.value, decide(world), [], doubt="", refused="")
        assert divided.divided_by == words
