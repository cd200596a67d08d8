"""The route table: which changes do not wait until clients have left."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import SECOND
from hfs_appliance.proxy.table import Member, Route, RouteTable, is_urgent


def route(*members: int, epoch: int = 0) -> tuple[tuple[int, ...], int]:
    return members, epoch


def table(routes: Mapping[str, tuple[tuple[int, ...], int]]) -> RouteTable:
    return RouteTable(
        address="127.0.0.1",
        port=80,
        connect_timeout=SECOND,
        response_timeout=SECOND,
        routes={
            ServiceName(name): Route(
                service=ServiceName(name),
                base_path="/",
                members=tuple(
                    Member(address=f"127.0.0.{number}", port=80, version=Version("1"), instance=f"i-{number}")
                    for number in numbers
                ),
                epoch=epoch,
            )
            for name, (numbers, epoch) in routes.items()
        },
    )


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        ({"dns": route(1)}, {"dns": route(1)}, False),
        ({"dns": route(1)}, {"dns": route(1, 2)}, False),
        ({"dns": route(1, 2)}, {"dns": route(2)}, False),
        ({"dns": route(1)}, {"dns": route()}, False),
        ({"dns": route()}, {"dns": route()}, False),
        ({"dns": route(1)}, {}, False),
        ({"dns": route()}, {"dns": route(1)}, True),
        ({"dns": route(1)}, {"dns": route(1, epoch=1)}, True),
        ({"dns": route(1)}, {"dns": route(1), "domains": route(2)}, True),
        (None, {}, True),
    ],
)
def test_clients_are_waited_for_unless_requests_go_wrong_meanwhile(
    before: Mapping[str, tuple[tuple[int, ...], int]] | None,
    after: Mapping[str, tuple[tuple[int, ...], int]],
    answer: bool,  # noqa: FBT001
) -> None:
    assert is_urgent(None if before is None else table(before), table(after)) is answer
