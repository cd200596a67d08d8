"""Maps: like dicts in all that they say, like values in all that happens to them, and quick to tell apart."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.maps import FULL, Map, differing, flat, side_by_side

ENTRIES = st.dictionaries(st.text(max_size=2), st.integers(0, 9))
CHANGES = st.dictionaries(st.text(max_size=2), st.none() | st.integers(0, 9))


def applied(entries: Mapping[str, int], changes: Mapping[str, int | None]) -> dict[str, int]:
    return {key: value for key, value in {**entries, **changes}.items() if value is not None}


@given(entries=ENTRIES, changes=CHANGES)
def test_a_changed_copy_says_what_a_changed_dict_would_and_the_original_stays(
    entries: dict[str, int], changes: dict[str, int | None]
) -> None:
    before = Map(entries)
    after = before.updated(changes)
    wanted = applied(entries, changes)
    assert before == entries
    assert after == wanted
    assert wanted == after
    assert len(after) == len(wanted)
    assert sorted(after) == sorted(after.keys()) == sorted(wanted)
    assert sorted(after.items()) == sorted(wanted.items())
    assert sorted(after.values()) == sorted(wanted.values())
    for key in entries.keys() | changes.keys():
        assert (key in after) == (key in wanted)
        assert after.get(key) == wanted.get(key)
        assert after.get(key, -1) == wanted.get(key, -1)
    assert differing(before, after) == {key for key in entries.keys() | wanted if entries.get(key) != wanted.get(key)}


@given(entries=ENTRIES, others=ENTRIES)
def test_what_equals_a_former_entry_stays_that_object(entries: dict[str, int], others: dict[str, int]) -> None:
    before = Map({key: (value,) for key, value in entries.items()})
    after = before.became({key: (value,) for key, value in others.items()})
    assert after == {key: (value,) for key, value in others.items()}
    assert {key for key in others if before.get(key) is after[key]} == {
        key for key, value in others.items() if entries.get(key) == value
    }
    assert (after is before) == (entries == others)


def test_a_large_map_compares_only_what_it_does_not_share() -> None:
    large = Map({f"small-{number:04d}": number for number in range(20 * FULL)})
    assert len(large) == 20 * FULL
    after = large.updated({"small-0007": None, "small-0008": -8, "new": 1})
    assert differing(large, after) == {"small-0007", "small-0008", "new"}
    assert differing(after, large) == differing(large, after)
    assert large["small-0007"] == 7
    assert "small-0007" not in after
    assert len(after) == len(large)


def test_growing_step_by_step_is_like_being_made_at_once() -> None:
    numbers = {f"{number}": number for number in range(6 * FULL)}
    grown: Map[str, int] = Map()
    for name, number in numbers.items():
        grown = grown.updated({name: number})
    assert grown == Map(numbers) == numbers
    assert differing(grown, Map(numbers)) == set()
    assert differing(Map(), grown) == numbers.keys()


def test_the_same_keys_lie_side_by_side() -> None:
    names = [f"{number}" for number in range(6 * FULL)]
    one, other = (Map[str, int]().updated(dict.fromkeys(names, value)) for value in (1, 2))
    for pair in ((one, other), (one, Map({"7": 2})), ({"7": 1}, other), (Map[str, int](), other)):
        parts = list(side_by_side(*pair))
        assert sorted(key for part, _ in parts for key in part) == sorted(pair[0])
        assert sorted(key for _, part in parts for key in part) == sorted(pair[1])
        assert sum(len(left.keys() & right.keys()) for left, right in parts) == len(pair[0].keys() & pair[1].keys())
    assert len(list(side_by_side(one, other))) > 1


def test_without_a_change_it_is_the_same_map() -> None:
    few = Map({"a": 1})
    assert few.updated({"a": 1, "b": None}) is few
    assert few.became({"a": 1}) is few
    assert few != {"a": 2}
    assert few != 1


def test_any_mapping_has_a_flat_form_and_can_be_compared() -> None:
    assert flat({"a": 1}) == flat(Map({"a": 1})) == {"a": 1}
    assert differing({"a": 1}, Map({"b": 2})) == {"a", "b"}
    assert repr(Map({"a": 1})) == "Map({'a': 1})"
