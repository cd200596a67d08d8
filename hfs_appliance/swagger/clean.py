"""Make a document's structure trustworthy: keep what can be kept, name what was left out.

After `clean` every field has the type that the grammar says and every object has the fields that it needs, so that
the steps behind it need no checks of their own. Whether references lead anywhere is not checked here (see refs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hfs_appliance.swagger.grammar import ANY, OPENAPI, Grammar, Holds, Node, Slot

MAX_NOTES: Final = 20


class Notes:
    """What was left out of a document and why, in words; the first ones are kept, the rest is counted."""

    def __init__(self) -> None:
        self._kept: dict[str, None] = {}
        self._more = 0

    def add(self, words: str) -> None:
        """Note one thing."""
        if words in self._kept:
            return
        if len(self._kept) < MAX_NOTES:
            self._kept[words] = None
        else:
            self._more += 1

    def words(self) -> tuple[str, ...]:
        """Give the notes in the order they were made."""
        return (*self._kept, *((f"and {self._more} more",) if self._more else ()))


def clean(grammar: Grammar, kind: str, node: Any, notes: Notes, where: tuple[str, ...] = ()) -> Any:
    """Give a copy of `node` that fits the grammar; None when nothing of it can be kept."""
    return _Cleaner(grammar, notes, where).node(kind, node)


class _Cleaner:
    def __init__(self, grammar: Grammar, notes: Notes, where: tuple[str, ...]) -> None:
        self._grammar = grammar
        self._notes = notes
        self._where = [*where]

    def node(self, kind: str, node: Any) -> Any:
        if kind not in self._grammar:
            return self._leaf(kind, node)
        if kind == "schema" and isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            return self._refuse(f"is no {kind}")
        shape = self._grammar[kind]
        if shape.is_referable and kind != "path-item" and isinstance(node.get("$ref"), str):
            return {key: node[key] for key in ("$ref", "summary", "description") if isinstance(node.get(key), str)}
        kept: Node = {}
        for name, value in node.items():
            slot = shape.slot(name)
            self._where.append(name)
            if slot is None:
                self._refuse("has no place there")
            elif (part := self._slot(slot, value)) is not None or (value is None and slot == ANY):
                kept[name] = part
            self._where.pop()
        for name in shape.filled:
            kept.setdefault(name, "")
        missing = [name for name in shape.required if name not in kept]
        if missing:
            return self._refuse(f"has no {missing[0]!r}")
        return self._check(kind, kept)

    def _slot(self, slot: Slot, value: Any) -> Any:
        if slot.holds is Holds.ONE:
            return self.node(slot.kind, value)
        if slot.holds is Holds.LIST:
            if not isinstance(value, list):
                return self._refuse("is no list")
            return [
                part for index, item in enumerate(value) if (part := self._part(slot, str(index), item)) is not None
            ]
        if not isinstance(value, dict):
            return self._refuse("is no object")
        parts = {name: self._part(slot, name, item) for name, item in value.items()}
        return {name: part for name, part in parts.items() if part is not None or slot.kind == "any"}

    def _part(self, slot: Slot, name: str, value: Any) -> Any:
        self._where.append(name)
        try:
            return value if slot.kind == "any" else self.node(slot.kind, value)
        finally:
            self._where.pop()

    def _leaf(self, kind: str, value: Any) -> Any:
        kept = _LEAVES[kind](value)
        return self._refuse(f"is no {kind}") if kept is None and kind != "any" else kept

    def _check(self, kind: str, node: Node) -> Any:
        checks = _CHECKS_3 if self._grammar is OPENAPI else _CHECKS_2
        wrong = checks[kind](node) if kind in checks else None
        return node if wrong is None else self._refuse(wrong)

    def _refuse(self, words: str) -> None:
        self._notes.add(f"{'/'.join(part.replace('/', '~1')[:80] for part in self._where)} {words}")


# --- leaves: the value as it is kept, None for one that cannot be

_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null", "file")
_MEANT: Final = {"int": "integer", "long": "integer", "float": "number", "double": "number", "bool": "boolean"}
"""Type names that do not exist, but leave no doubt."""


def _text(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # YAML reads an unquoted version as a number
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _texts(value: Any) -> list[str] | None:
    return list(dict.fromkeys(item for item in value if isinstance(item, str))) if isinstance(value, list) else None


def _type(value: Any) -> str | list[str] | None:
    if isinstance(value, list):
        names = [name for name in (_type(item) for item in value) if isinstance(name, str)]
        return list(dict.fromkeys(names)) or None
    named = _MEANT.get(value, value) if isinstance(value, str) else None
    return named if named in _TYPES else None


_LEAVES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "any": lambda value: value,
    "nothing": lambda _: None,
    "text": _text,
    "texts": _texts,
    "flag": lambda value: value if isinstance(value, bool) else None,
    "number": _number,
    "limit": lambda value: value if isinstance(value, bool) else _number(value),
    "count": _count,
    "type": _type,
}


# --- what a table of fields cannot say: fix the object in place, or say why it cannot be kept

_STYLES: Final = {
    "path": ("matrix", "label", "simple"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}


def _check_parameter(node: Node) -> str | None:
    if node["in"] not in _STYLES:
        return f"is in {node['in'][:40]!r}, which is no place of parameters"
    if node["in"] == "path":
        node["required"] = True
    if node["in"] != "query":
        node.pop("allowEmptyValue", None)
        node.pop("allowReserved", None)
    _check_value(node, _STYLES[node["in"]])
    return None


def _check_value(node: Node, styles: tuple[str, ...] = ("simple",)) -> None:
    """A parameter or header is described by a schema or by one media type, not by both."""
    if "schema" in node or not node.get("content"):
        node.pop("content", None)
        node.setdefault("schema", {})
        if node.get("style") not in styles:
            node.pop("style", None)
        return
    node["content"] = dict([next(iter(node["content"].items()))])
    for name in ("style", "explode", "allowReserved", "example", "examples"):
        node.pop(name, None)


def _check_encoding(node: Node) -> None:
    if node.get("style") not in _STYLES["query"]:
        node.pop("style", None)


def _check_parameter_2(node: Node) -> str | None:
    if node["in"] not in ("path", "query", "header", "body", "formData"):
        return f"is in {node['in'][:40]!r}, which is no place of parameters"
    return _check_schema(node)


_PYTHON_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
    "file": str,
}


def _has_type(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and (name == "number" or value == int(value))
    return isinstance(value, _PYTHON_TYPES[name])


def _check_schema(node: Node) -> str | None:
    types = node.get("type", [])
    names = [types] if isinstance(types, str) else types
    is_null_fine = node.get("default") is None and (node.get("nullable") or node.get("x-nullable"))
    if "default" in node and names and not is_null_fine and not any(_has_type(node["default"], name) for name in names):
        del node["default"]  # unlike in plain JSON Schema, a default must fit (OpenAPI 3.1.0, 4.8.24)
    if node.get("multipleOf", 1) <= 0:
        del node["multipleOf"]
    for name in ("allOf", "anyOf", "oneOf", "prefixItems", "enum"):
        if node.get(name) == []:
            del node[name]
    return None


_SCHEME_NEEDS: Final = {
    "apiKey": ("name", "in"),
    "http": ("scheme",),
    "oauth2": ("flows",),
    "openIdConnect": ("openIdConnectUrl",),
    "mutualTLS": (),
    "basic": (),
}


def _check_scheme(node: Node) -> str | None:
    needs = _SCHEME_NEEDS.get(node["type"])
    if needs is None:
        return f"has the unknown type {node['type'][:40]!r}"
    if node["type"] == "oauth2" and "flow" in node:  # Swagger 2.0
        needs = ()
    if node["type"] == "apiKey" and node.get("in") not in ("query", "header", "cookie"):
        node.pop("in", None)
    missing = [name for name in needs if name not in node]
    return f"has no {missing[0]!r}" if missing else None


def _check_link(node: Node) -> str | None:
    if "operationId" in node:
        node.pop("operationRef", None)
        return None
    return None if "operationRef" in node else "names no operation"


def _check_example(node: Node) -> str | None:
    if "value" in node:
        node.pop("externalValue", None)
    return None


_CHECKS_2: Final[Mapping[str, Callable[[Node], str | None]]] = {
    "parameter": _check_parameter_2,
    "items": _check_schema,
    "header": _check_schema,
    "schema": _check_schema,
    "scheme": _check_scheme,
}
_CHECKS_3: Final[Mapping[str, Callable[[Node], str | None]]] = {
    "parameter": _check_parameter,
    "header": _check_value,
    "encoding": _check_encoding,
    "schema": _check_schema,
    "scheme": _check_scheme,
    "link": _check_link,
    "example": _check_example,
}
