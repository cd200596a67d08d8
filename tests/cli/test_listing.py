"""The list of servers on terminals of several widths."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from hfs_appliance.cli.listing import Listing
from tests.support.control import server

LONG = "the cloud says that it does not run; its registration has not expired yet"
SERVERS = [
    server("small-0001"),
    replace(server("small-0002"), phase="suspect", words=LONG, service="certificates", address="127.77.0.102"),
    replace(server("small-0003"), phase="warm", words="built; waits for a role", service=None, version=None),
]


def lines(width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(Listing(SERVERS))
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [36, 44, 60, 80, 100, 120, 160, 10_000])
def test_each_server_has_a_line_and_nothing_but_the_reason_is_cut(width: int) -> None:
    found = lines(width)
    table = found[:4]
    assert [line.split()[0] for line in table] == ["server", "small-0001", "small-0002", "small-0003"]
    assert [line.split()[1] for line in table] == ["phase", "serving", "suspect", "warm"]
    assert "certificates" in table[2]
    assert all(len(line) <= width for line in found)
    head, *rows = table
    assert all("…" not in row[: head.index("why") if "why" in head else None] for row in rows)


def test_at_80_columns_there_is_room_for_the_reason() -> None:
    assert lines(80)[0].split() == ["server", "phase", "service", "version", "since", "why"]
    assert "the cloud says that it do…" in lines(80)[2]
    assert lines(80)[4] == "no room for az, pool, address: widen the terminal, or pipe it (| cat)"


def test_at_44_columns_it_is_server_phase_and_service() -> None:
    assert lines(44)[0].split() == ["server", "phase", "service"]


def test_where_there_is_room_all_is_there() -> None:
    assert lines(10_000)[0].split() == [
        "server", "phase", "service", "version", "address", "pool", "az", "since", "why"
    ]  # fmt: skip
    assert lines(10_000)[2].endswith(LONG)
    assert len(lines(10_000)) == 4


def test_one_server_is_a_list_too() -> None:
    file = io.StringIO()
    Console(file=file, width=80, highlight=False).print(Listing(SERVERS[:1]))
    assert file.getvalue().splitlines()[1].startswith("small-0001  serving")
