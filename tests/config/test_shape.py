"""The shape as a whole: every key reaches the model, no document makes the reader stumble."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfs_appliance.config.checks import contradictions
from hfs_appliance.config.keys import KeyPath, write_path
from hfs_appliance.config.reading import keys_of, present, read_shape
from hfs_appliance.config.schema import json_schema
from hfs_appliance.config.shape import File
from hfs_appliance.config.table import Table
from hfs_appliance.config.translate import to_model

EVERYTHING: dict[str, Any] = tomli.loads((Path(__file__).parents[2] / "configs" / "production.toml").read_text())

TEXTS = ["", "x", "1s", "99d", "127.0.0.1:1", "127.0.0.0/8", "{address}", "{x}", "self"]
VALUES = st.none() | st.sampled_from([*TEXTS, -1, 0, 1, 10**30, 1.5, True, [], {}, [1], ["a"], {"a": 1}, {"": {}}])
KEYS = st.sampled_from(["name", "listen", "size", "port", "run", "pool", "small", "", "A b", "é", "[key]"])


def tables(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    if not isinstance(value, dict):
        return []
    return [path, *(found for key, inner in value.items() for found in tables(inner, (*path, key)))]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_document_makes_the_reader_stumble(data: st.DataObject) -> None:
    document = copy.deepcopy(EVERYTHING)
    for _ in range(data.draw(st.integers(0, 4))):
        table: Any = document
        for key in data.draw(st.sampled_from(tables(document))):
            table = table[key]
        key = data.draw(st.sampled_from(sorted(table)) | KEYS if table else KEYS)
        value = data.draw(VALUES)
        table.pop(key, None)
        if value is not None:  # TOML has none: the key is left out
            table[key] = copy.deepcopy(value)
    reading = read_shape(document, File)
    desired = to_model(reading.file, generation=1, base=Path("/"))
    assert all(write_path(finding.path) for finding in (*reading.findings, *contradictions(desired)))
    assert bool(reading.findings) == bool(reading.unsound)


def test_every_required_key_has_an_example_that_is_valid() -> None:
    for table in Table.__subclasses__():
        required = {name: field for name, field in keys_of(table).items() if field.is_required()}
        table.model_validate({name: (field.examples or [None])[0] for name, field in required.items()})


def test_every_key_and_table_is_described() -> None:
    for table in Table.__subclasses__():
        assert table.__doc__
        for name, field in keys_of(table).items():
            annotation = present(field.annotation)
            is_table = isinstance(annotation, type) and issubclass(annotation, Table)
            assert is_table or field.description, f"{table.__name__}.{name}"


def test_defaults_are_values_that_an_operator_could_write() -> None:
    """The schema shows each default; written into a file, all of them change nothing."""
    short = {"environment": {"name": "x"}, "cloud": {"provider": "local"}, "endpoint": {"listen": "127.0.0.1:80"}}
    document: dict[str, Any] = {**short, "quota": {"max_servers": 9}}
    filled = copy.deepcopy(document)
    schema = json_schema()
    for key, value in schema["properties"].items():
        if key in File.model_fields and File.model_fields[key].default is None:
            continue  # an optional table: left out, it means that there is none
        table = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
        defaults = {name: inner["default"] for name, inner in table.get("properties", {}).items() if "default" in inner}
        filled[key] = {**defaults, **filled.get(key, {})} if table else value["default"]
    assert read_shape(filled, File).findings == ()
    assert read_shape(filled, File).file == read_shape(document, File).file
