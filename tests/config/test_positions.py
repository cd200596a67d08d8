"""The position scanner against tomli: whatever document tomli reads, each of its keys is found where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfs_appliance.config.keys import KeyPath, write_path
from hfs_appliance.config.positions import Position, key_positions


def key_paths(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key), inner
        yield from key_paths(inner, (*path, key))


def rest_of_line(source: str, position: Position) -> str:
    return source.replace("\r\n", "\n").split("\n")[position.line - 1][position.column - 1 :]


def key_at(source: str, position: Position) -> str:
    match = re.match(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""", rest_of_line(source, position))
    assert match is not None, f"no key at {position}"
    return next(iter(tomli.loads(f"{match[0]} = 0")))


# Few names, so that tables are opened again, implied and extended; odd ones, so that quoting matters.
NAMES = st.sampled_from(["a", "b", "1", "a-b", "", "a b", 'q"', "#", "[x]", "=", "é", "a.b"])
BREAK = st.sampled_from(["\n", "\r\n", "\n\n", " # c = [\n", "\r\n\t\n"])
BLANK = st.sampled_from(["", " ", "\t", "  "])
GAP = st.sampled_from(["", " ", "\n", " # ] } , \n  ", "\t\r\n"])
"""What may stand between the items of an array or an inline table."""


@st.composite
def keys(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    spellings = [write_path((name,))]
    if name.isascii() and name.replace("-", "").isalnum():
        spellings.append(f'"{name}"')
    if "'" not in name:
        spellings.append(f"'{name}'")
    return draw(st.sampled_from(spellings))


@st.composite
def dotted_keys(draw: st.DrawFn) -> str:
    blank = draw(BLANK)
    return f"{blank}.{blank}".join(draw(st.lists(keys(), min_size=1, max_size=3)))


SCALARS = st.sampled_from(
    [
        "1",
        "-1_000",
        "0x1F",
        "1.5e3",
        "true",
        "1979-05-27",
        "1979-05-27 07:32:00",
        '""',
        "''",
        '"a # ] }"',
        '"\\" = \\\\"',
        "'\\'",
        '""""""',
        '"""a = 1\n[b]\n"""',
        '""""x"""""',
        '"""\\"""" """',
        "''''y'''''",
        "'''\n# [c]\n'''",
    ]
)


def values() -> st.SearchStrategy[str]:
    return st.recursive(SCALARS, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = [f"{draw(GAP)}{item}{draw(GAP)}" for item in draw(st.lists(inner, max_size=3))]
    comma = draw(st.sampled_from(["", ","])) if items else ""
    return f"[{','.join(items)}{comma}{draw(GAP)}]"


@st.composite
def inline_tables(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = [f"{draw(GAP)}{draw(dotted_keys())} ={draw(BLANK)}{item}" for item in draw(st.lists(inner, max_size=3))]
    return f"{{{','.join(items)}{draw(GAP)}}}"


@st.composite
def statements(draw: st.DrawFn) -> str:
    key, blank = draw(dotted_keys()), draw(BLANK)
    text = draw(st.sampled_from([f"[{blank}{key}{blank}]", f"[[{key}{blank}]]", f"{key}{blank}= "]))
    if text.endswith("= "):
        text += draw(values())
    return f"{blank}{text}{blank}{draw(BREAK)}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Make a valid document: statements that TOML does not allow after the earlier ones are left out."""
    source = draw(st.sampled_from(["", "\n", "# first\n"]))
    for statement in draw(st.lists(statements(), max_size=10)):
        try:
            tomli.loads(source + statement)
        except tomli.TOMLDecodeError:
            continue
        source += statement
    return source


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_every_key_that_tomli_reads_is_found_where_it_stands(source: str) -> None:
    positions = key_positions(source)
    read = dict(key_paths(tomli.loads(source)))
    assert positions.keys() == read.keys()
    for path in read:
        if isinstance(path[-1], str):
            assert key_at(source, positions[path]) == path[-1]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 999), min_size=1), GAP)
def test_array_items_are_found_where_they_begin(numbers: list[int], gap: str) -> None:
    source = f"a = [{','.join(f'{gap}{number}{gap}' for number in numbers)}]"
    positions = key_positions(source)
    for index, number in enumerate(numbers):
        assert re.match("[0-9]+", rest_of_line(source, positions["a", index]))[0] == str(number)  # type: ignore[index]


def test_a_table_stands_at_its_own_header_even_when_implied_before() -> None:
    source = '[a.b]\nc.d = 1\nc."e" = 2\n[a]\n[[f]]\n[[f]]\ng = [\n  1, 2]\n'
    found = {write_path(path): (place.line, place.column) for path, place in key_positions(source).items()}
    assert found == {
        "a": (4, 2),
        "a.b": (1, 4),
        "a.b.c": (2, 1),
        "a.b.c.d": (2, 3),
        "a.b.c.e": (3, 3),
        "f": (6, 3),
        "f[0]": (5, 3),
        "f[1]": (6, 3),
        "f[1].g": (7, 1),
        "f[1].g[0]": (8, 3),
        "f[1].g[1]": (8, 6),
    }
