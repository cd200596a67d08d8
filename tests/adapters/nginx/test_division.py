"""Requests divided by version, through a real nginx: how many, which, and what a version that fails costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.traffic import EACH_REQUEST, Carrier, Match, SplitBy, SplitKey
from hfs_appliance.proxy.table import Group, Member, Route
from tests.adapters.nginx.test_endpoint import raw_get

if TYPE_CHECKING:
    from tests.adapters.nginx.conftest import Site, Upstream

pytestmark = pytest.mark.nginx

REQUESTS = 600
OLD, NEW = Version("1.4.2"), Version("1.5.0")


def of(upstream: Upstream, version: Version) -> Member:
    return replace(upstream.member, version=version)


def divided(
    members: Mapping[Version, tuple[Member, ...]],
    weights: Mapping[Version, int],
    *,
    matches: tuple[Match, ...] = (),
    key: SplitKey = EACH_REQUEST,
    service: str = "dns",
    base_path: str = "/",
) -> Route:
    """Divide a service by weight; the matches are the new version's."""
    return Route(
        service=ServiceName(service),
        base_path=base_path,
        members=tuple(sorted(member for cohort in members.values() for member in cohort)),
        groups=tuple(
            Group(version=version, weight=weight, matches=matches if version == NEW else ())
            for version, weight in weights.items()
        ),
        key=key,
    )


async def publish(site: Site, *routes: Route) -> None:
    await site.proxy.publish(replace(site.table({}), routes={route.service: route for route in routes}))


async def answered_by(site: Site, path: str, **headers: str) -> str:
    answer = await site.get(path, **headers)
    assert answer.status_code == 200, answer.text
    by: str = answer.json()["by"]
    return by


async def test_each_request_is_drawn_by_weight(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    members = {NEW: (of(new, NEW),), OLD: (of(old, OLD),)}
    await publish(site, divided(members, {NEW: 100, OLD: 900}))
    found = Counter([await answered_by(site, "/dns/x") for _ in range(REQUESTS)])
    # 60 are due, with a deviation of 7.3: six of them away is once in a thousand million runs.
    assert 16 < found["127.0.0.3"] < 104, found


async def test_a_cookie_keeps_its_version_and_a_growing_weight_takes_nobody_back(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    members = {NEW: (of(new, NEW),), OLD: (of(old, OLD),)}
    key = SplitKey(by=SplitBy.COOKIE, cookie="session")
    reached: list[set[int]] = []
    for weight in (50, 300, 600):
        await publish(site, divided(members, {NEW: weight, OLD: 1000 - weight}, key=key))
        asked = {n: await answered_by(site, "/dns/x", cookie=f"session=client-{n}") for n in range(100)}
        assert asked == {n: await answered_by(site, "/dns/x", cookie=f"session=client-{n}") for n in range(100)}
        reached.append({n for n, by in asked.items() if by == "127.0.0.3"})
    assert reached[0] < reached[1] < reached[2]
    assert 40 < len(reached[2]) < 80
    # Who has no cookie is drawn anew each time.
    assert len({await answered_by(site, "/dns/x") for _ in range(60)}) == 2


async def test_one_address_stays_with_one_version(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    members = {NEW: (of(new, NEW),), OLD: (of(old, OLD),)}
    await publish(site, divided(members, {NEW: 500, OLD: 500}, key=SplitKey(by=SplitBy.ADDRESS)))
    assert len({await answered_by(site, "/dns/x") for _ in range(40)}) == 1


async def test_matches_come_before_weights_and_the_first_one_decides(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    members = {NEW: (of(new, NEW),), OLD: (of(old, OLD),)}
    matches = (
        Match(carrier=Carrier.HEADER, name="X-Beta", value="default"),
        Match(carrier=Carrier.COOKIE, name="beta", value="1.0"),
    )
    await publish(site, divided(members, {NEW: 0, OLD: 1000}, matches=matches))
    assert await answered_by(site, "/dns/x") == "127.0.0.2"
    assert await answered_by(site, "/dns/x", x_beta="default") == "127.0.0.3"
    assert await answered_by(site, "/dns/x", x_beta="defaults") == "127.0.0.2"
    assert await answered_by(site, "/dns/x", x_beta="=default") == "127.0.0.2"
    assert await answered_by(site, "/dns/x", cookie="a=b; beta=1.0") == "127.0.0.3"
    assert await answered_by(site, "/dns/x", cookie="beta=1x0") == "127.0.0.2"
    assert await answered_by(site, "/dns/x", cookie="beta=1.0", x_beta="no") == "127.0.0.3"


async def test_a_version_whose_instances_all_fail_loses_no_request(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    members = {NEW: (of(new, NEW),), OLD: (of(old, OLD),)}
    await publish(site, divided(members, {NEW: 900, OLD: 100}))
    new.die()
    assert {await answered_by(site, "/dns/x") for _ in range(100)} == {"127.0.0.2"}


async def test_whoever_stands_by_is_asked_only_when_all_others_fail(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    route = Route(service=ServiceName("dns"), base_path="/", members=(of(new, NEW),), standby=(of(old, OLD),), epoch=3)
    await publish(site, route)
    assert {await answered_by(site, "/dns/x") for _ in range(100)} == {"127.0.0.3"}
    new.die()
    assert {await answered_by(site, "/dns/x") for _ in range(100)} == {"127.0.0.2"}


@pytest.mark.parametrize("base_path", ["/", "/api/v2/"])
async def test_a_divided_route_passes_on_what_an_undivided_one_does(site: Site, base_path: str) -> None:
    instance = await site.upstream("127.0.0.2")
    other = replace(instance.member, version=NEW, instance="other", address="127.0.0.3", port=9)
    plain = Route(service=ServiceName("plain"), base_path=base_path, members=(of(instance, OLD),))
    both = divided(
        {NEW: (other,), OLD: (of(instance, OLD),)}, {NEW: 0, OLD: 1000}, service="divided", base_path=base_path
    )
    await publish(site, plain, both)
    paths = ["", "a", "a/b/?c=d&e=%20f?", "a%20b", "caf%C3%A9", "a%3Fb", "a%25b", "a%252Fb", "a%2Fb", "x/../y", "/x"]
    paths += ["%24host/$host", "a;b=c", "a+b", "a%0Ab", "a%0D%0Ab", "%22quoted%22", "{x}", "a//b", "a%23b", "%5C"]
    for path in paths:
        asked = [await raw_get(site, f"/{service}/{path}") for service in ("plain", "divided")]
        plainly, dividedly = instance.asked[-2:]
        # The divided one writes `{` and the like as %7B, as a URI should.
        assert unquote(plainly) == unquote(dividedly), path
        assert len(instance.asked) % 2 == 0, asked
    posted = await site.client.post("/divided/x?y=z", content=b"body" * 10_000)
    assert posted.json()["body"] == "body" * 10_000


async def test_redirects_of_a_divided_service_get_its_prefix(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await publish(site, divided({NEW: (of(new, NEW),), OLD: (of(old, OLD),)}, {NEW: 500, OLD: 500}))
    assert (await site.get("/dns/moved")).headers["location"] == "/dns/elsewhere?a=b"


async def test_names_may_be_as_long_as_their_grammar_lets_them(site: Site) -> None:
    old, new = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    members = {NEW: (of(new, NEW),), OLD: (of(old, OLD),)}
    long = "a" * 63
    matches = (
        Match(carrier=Carrier.HEADER, name=long, value=long),
        Match(carrier=Carrier.COOKIE, name=long, value=long),
    )
    key = SplitKey(by=SplitBy.COOKIE, cookie=long)
    await publish(site, divided(members, {NEW: 0, OLD: 1000}, matches=matches, key=key, service=long))
    assert await answered_by(site, f"/{long}/x", cookie=f"{long}={long}") == "127.0.0.3"
