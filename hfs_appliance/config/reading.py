"""From a parsed TOML to its shape: every mistake of it in words, and a repaired shape for the checks that follow.

A wrong value never hides another mistake: it is replaced by its default (or example) and the rest is read on. What was
replaced is told (`Reading.unsound`), so that nobody judges a value that the operator did not write.
"""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import ValidationError

from hfs_appliance.config.keys import KeyPath, quote, suggest, write_path
from hfs_appliance.config.mistakes import Finding
from hfs_appliance.config.spellings import MISSPELT
from hfs_appliance.config.table import Table

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

T = TypeVar("T", bound=Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """What a document says, as far as it could be read."""

    file: T
    findings: tuple[Finding, ...]
    unsound: frozenset[KeyPath]
    """Keys that are wrong or missing; what stands for them in `file` is not the operator's."""


def read_shape(document: Mapping[str, Any], shape: type[T]) -> Reading[T]:
    """Read a parsed document; always gives a file of that shape, with the mistakes found on the way."""
    findings: list[Finding] = []
    unsound: set[KeyPath] = set()
    repaired: Any = document
    while True:
        try:
            return Reading(file=shape.model_validate(repaired), findings=tuple(findings), unsound=frozenset(unsound))
        except ValidationError as error:
            details = error.errors(include_url=False)
        if repaired is document:  # later rounds only complain about the repairs
            findings = [_explain(detail, shape) for detail in details]
            repaired = copy.deepcopy(document)
        for detail in details:
            path = _key_path(detail)
            unsound.add(path)
            _repair(repaired, path, shape)


def _key_path(detail: ErrorDetails) -> KeyPath:
    """Give the key that an error is about; pydantic marks a misspelt key of a mapping by a trailing `[key]`."""
    path = tuple(detail["loc"])
    return path[:-1] if path[-1] == "[key]" and detail["type"] == MISSPELT else path


def _repair(document: dict[str, Any], path: KeyPath, shape: type[Table]) -> None:
    """Take out what stands at `path`; put the example of the key there when it is a required one."""
    # An array is replaced as a whole: without one item it would say something else.
    first_index = next((place for place, part in enumerate(path) if isinstance(part, int)), len(path))
    *parents, key = path[:first_index]
    table: Any = document
    for parent in parents:
        table = table.get(parent)
        if not isinstance(table, dict):
            return  # a repair of its parent came first
    table.pop(key, None)
    field = _fields_at(tuple(parents), shape).get(str(key))
    if field is not None and field.is_required():
        assert field.examples, f"{path} is required and has no example"
        table[key] = copy.deepcopy(field.examples[0])


def _fields_at(path: KeyPath, shape: type[Table]) -> dict[str, FieldInfo]:
    """Give the fields of the table at `path`, by the names an operator uses; empty for a table of free keys."""
    annotation: Any = shape
    for part in path:
        if _is_table(annotation):
            annotation = present(keys_of(annotation)[str(part)].annotation)
        else:  # a mapping of names to tables, or an array of tables
            annotation = typing.get_args(annotation)[-1]
    return keys_of(annotation) if _is_table(annotation) else {}


def present(annotation: Any) -> Any:
    """Give the table that a key may be left out for, as itself."""
    tables = [option for option in typing.get_args(annotation) if _is_table(option)]
    return tables[0] if types.NoneType in typing.get_args(annotation) and tables else annotation


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)


def keys_of(table: type[Table]) -> dict[str, FieldInfo]:
    """Give the fields of a table by the names an operator uses."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


_KINDS: Final[Mapping[type, str]] = {
    bool: "a boolean",
    str: "a string",
    int: "an integer",
    float: "a float",
    list: "an array",
    dict: "a table",
}

_WANTED: Final[Mapping[str, str]] = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
}


def _explain(detail: ErrorDetails, shape: type[Table]) -> Finding:
    """Say an error of pydantic in the operator's words."""
    path, kind, given, context = _key_path(detail), detail["type"], detail["input"], detail.get("ctx", {})
    if kind == MISSPELT:
        return Finding(path=path, words=context["words"], hint=context["hint"])
    if kind == "extra_forbidden":
        return Finding(path=path, words="unknown key", hint=suggest(str(path[-1]), _fields_at(path[:-1], shape)))
    if kind == "missing":
        return Finding(path=path, words="is missing", hint=_example(path, shape))
    if kind in _WANTED:
        words = f"must be {_WANTED[kind]}, not {_KINDS.get(type(given), 'a date or time')}"
        return Finding(path=path, words=words, hint=context.get("hint", ""))
    if kind == "greater_than_equal":
        return Finding(path=path, words=f"{given} is too small", hint=f"at least {context['ge']}")
    if kind == "less_than_equal":
        return Finding(path=path, words=f"{given} is too large", hint=f"at most {context['le']}")
    if kind == "too_short":
        return Finding(path=path, words="must not be empty")
    assert kind == "literal_error", f"no words for {detail}"
    possible = context["expected"].replace("'", '"')
    return Finding(path=path, words=f"{_as_toml(given)} is not possible here", hint=f"it may be {possible}")


def _example(path: KeyPath, shape: type[Table]) -> str:
    """Show how a missing key would be written."""
    example = _fields_at(path[:-1], shape)[str(path[-1])].examples
    assert example
    if isinstance(example[0], dict):
        name, value = next(iter(example[0].items()))
        return f"write [{write_path((*path, name) if isinstance(value, dict) else path)}]"
    return f"for example {path[-1]} = {_as_toml(example[0])}"


def _as_toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    return quote(value) if isinstance(value, str) else str(value)
