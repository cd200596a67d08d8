"""Frames of the live view: what is held, what waits for long, what the endpoint does not route."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console

from hfs_appliance.cli.frame import frame, ready
from hfs_appliance.model.leadership import Leader
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.reports import ServerReport, Status
from tests.support.control import DNS, server, status

TAKEN = Hold(scope="endpoint", rule="routes-refused", words="bind() to 127.0.0.1:8080 failed")
LIMIT = Hold(scope="pool/small", rule="max-servers", words="30 servers at most")


def drawn(shown: Status, servers: list[ServerReport], *, is_coloured: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=80, force_terminal=is_coloured, color_system="standard" if is_coloured else None
    )
    with console.capture() as written:
        console.print(frame("Building", shown, servers, [], 90))
    return written.get()


def starting(phase: str, age_s: int) -> ServerReport:
    return replace(server(), phase=phase, since=(datetime.now(UTC) - timedelta(seconds=age_s)).isoformat())


def test_who_starts_for_long_is_told_with_the_age_of_the_oldest() -> None:
    shown = status(serving=0, desired=2)
    told = drawn(shown, [starting("warming", 75), starting("assigned", 8), starting("serving", 900)])
    assert "0/2 serving  2 starting for 1m1" in told
    assert "starting for" not in drawn(shown, [starting("warming", 1)])


def test_a_pool_tells_it_too() -> None:
    pools = {name: replace(pool, warm=1, building=2) for name, pool in status().pools.items()}
    assert "2 building for 1m1" in drawn(replace(status(), pools=pools), [starting("booting", 75)])


def test_holds_come_before_the_bars_and_the_endpoint_comes_first() -> None:
    lines = drawn(status(serving=1, holds=(LIMIT, TAKEN)), []).splitlines()
    assert lines[2].startswith("held: endpoint: bind() to 127.0.0.1:8080 failed (routes-refused)")
    assert lines[3].startswith("held: pool/small: 30 servers at most")
    coloured = drawn(status(serving=1, holds=(LIMIT, TAKEN)), [], is_coloured=True)
    assert "\x1b[1;31mheld: endpoint" in coloured
    assert "\x1b[33mheld: pool" in coloured


def test_one_of_several_appliances_says_who_leads() -> None:
    leader = Leader(name="b:8081", address="http://b:8081", epoch=7)
    lines = drawn(replace(status(), mode="standby", leader=leader, standing_by=("a:8081",)), []).splitlines()
    assert lines[1] == "2 of 2 instances serve at http://127.0.0.1:8080; this appliance stands by"
    assert lines[2].startswith("leader  b:8081, http://b:8081, epoch 7")


def test_who_stands_by_is_not_invited_to_break_anything() -> None:
    console = Console(file=io.StringIO(), width=100)
    leader = Leader(name="b:8081", address="http://b:8081", epoch=7)
    for shown, invites in (
        (status(), True),
        (replace(status(), mode="standby", leader=leader, standing_by=("a",)), False),
    ):
        with console.capture() as written:
            console.print(ready(shown, 5, "hfs"))
        assert ("hfs kill SERVER" in written.get()) is invites
        assert ("leader  b:8081" in written.get()) is not invites


def test_only_what_the_endpoint_routes_serves_there() -> None:
    assert "2 of 2 instances serve at http://127.0.0.1:8080\n" in drawn(status(), [])
    late = drawn(replace(status(), routed={DNS: 1}), [])
    assert "1 of 2 instances serve at http://127.0.0.1:8080; 1 more is up, not routed yet" in late
    refused = drawn(status(holds=(TAKEN,)), [])
    assert "2 of 2 instances are up; the endpoint refuses their routes" in refused
    assert "http://" not in refused
