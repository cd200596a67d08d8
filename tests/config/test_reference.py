"""docs/configuration.md names every key: its tables are made from the schema here.

After a change of the schema: `HFS_UPDATE=1 pytest tests/config/test_reference.py` writes them anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfs_appliance.config.schema import json_schema

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
SCHEMA = json_schema()
PLACES = {"version": '"VERSION"'} | dict.fromkeys(
    ("pool", "service", "network", "security_group", "keypair", "server_group"), "NAME"
)
"""What stands in a heading for the names that an operator chooses."""

SECTION = re.compile(
    r"^### (?P<heading>.+)\n(?P<words>(?:(?!###).*\n)*?)<!-- keys -->\n(?P<table>(?:\n?\|.*\n)*)", re.MULTILINE
)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    definition: dict[str, Any] = SCHEMA["$defs"][reference.rpartition("/")[2]] if reference else schema
    return definition


def tables(table: dict[str, Any] = SCHEMA, path: str = "") -> Iterator[tuple[str, str]]:
    """Give each table's heading and its keys in Markdown, in the order of the schema."""
    rows: list[str] = []
    below: list[tuple[str, str]] = []
    for name, key in table["properties"].items():
        inner, place = resolved(key), f"{path}.{name}".lstrip(".")
        for pattern_schema in inner.get("patternProperties", {}).values():
            inner, place = resolved(pattern_schema), f"{place}.{PLACES.get(name, '')}"
        if "properties" in inner:
            below.extend(tables(inner, place))
        else:
            rows.append(row(name, key, is_required=name in table.get("required", [])))
    head = ["| key | value | default | meaning |", "|---|---|---|---|"] if rows else []
    heading = f"`[{path}]`" if path else "Top level"
    yield heading, "".join(f"{line}\n" for line in head + rows)
    yield from below


def row(name: str, key: dict[str, Any], *, is_required: bool) -> str:
    default = "required" if is_required else f"`{as_toml(key['default'])}`" if "default" in key else ""
    return f"| `{name}` | {value(key)} | {default} | {key['description']} |"


def value(key: dict[str, Any]) -> str:
    if "const" in key or "enum" in key:
        return " or ".join(f"`{as_toml(choice)}`" for choice in key.get("enum", [key.get("const")]))
    if "$comment" in key:
        return str(key["$comment"])
    if "minimum" in key:
        return f"integer, {key['minimum']:,} to {key['maximum']:,}"
    kind: str = key["type"]
    if "$ref" in key.get("items", {}):
        return "array of tables"
    if key.get("items", {}).get("type") == "integer":
        return "array of integers"
    return {"array": "array of strings", "object": "table of strings"}.get(kind, kind)


def as_toml(plain: Any) -> str:
    if isinstance(plain, dict):
        return f"{{ {', '.join(f'{key} = {as_toml(inner)}' for key, inner in plain.items())} }}"
    return f"[{', '.join(map(as_toml, plain))}]" if isinstance(plain, list) else json.dumps(plain, ensure_ascii=False)


def test_the_page_has_every_table_as_the_schema_says() -> None:
    made = dict(tables())
    page = PAGE.read_text()
    headings = [section["heading"] for section in SECTION.finditer(page)]
    assert headings == list(made)

    def with_table(section: re.Match[str]) -> str:
        table = made[section["heading"]]
        return f"### {section['heading']}\n{section['words']}<!-- keys -->\n" + (f"\n{table}" if table else "")

    renewed = SECTION.sub(with_table, page)
    if os.environ.get("HFS_UPDATE"):
        PAGE.write_text(renewed)
    assert renewed == page, "docs/configuration.md is not what the schema says; HFS_UPDATE=1 writes it anew"


def test_the_page_names_every_placeholder() -> None:
    from hfs_appliance.config.spellings import PLACEHOLDERS

    named = re.findall(r"^\| `\{(\w+)\}` \|", PAGE.read_text(), re.MULTILINE)
    assert tuple(named) == PLACEHOLDERS
