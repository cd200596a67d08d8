"""Make implicit discriminators explicit: what a value means must not hang on a schema's name, because names change.

OpenAPI 3.1.0, 4.8.25: without a mapping, a value is the name of a schema, either one that `oneOf` or `anyOf` lists or
one that inherits (by `allOf`) from the schema with the discriminator, or that schema itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hfs_appliance.swagger.grammar import OPENAPI, Node, rebuild
from hfs_appliance.swagger.read import DocumentError
from hfs_appliance.swagger.refs import reference_to, tokens_of

MAX_VALUES: Final = 50_000
"""Values of all discriminators: a long line of heirs, each with a discriminator, has the square of its length."""


def make_explicit(tree: Node) -> Node:
    """Give the tree with a mapping for every value that a discriminator can have by a schema's name."""
    schemas: Mapping[str, Any] = tree["components"].get("schemas", {})
    heirs = _heirs(schemas)
    inherited: Node = {}
    values = 0
    for name, schema in schemas.items():
        inherited[name] = schema
        if isinstance(schema, dict) and "discriminator" in schema and not _choices(schema):
            inherited[name] = _mapped(schema, (name, *_descendants(name, heirs)))
            values += len(inherited[name]["discriminator"]["mapping"])
            if values > MAX_VALUES:
                raise DocumentError(f"its discriminators have more than {MAX_VALUES} values")
    tree = {**tree, "components": {**tree["components"], "schemas": inherited}}
    return rebuild(OPENAPI, "document", tree, _visit)  # type: ignore[no-any-return]


def _visit(kind: str, node: Node) -> Node:
    is_choice = kind == "schema" and "discriminator" in node
    return _mapped(node, _named(_choices(node))) if is_choice and _choices(node) else node


def _choices(schema: Node) -> list[Any]:
    return [*schema.get("oneOf", ()), *schema.get("anyOf", ())]


def _named(schemas: Iterable[Any]) -> list[str]:
    """Give the names of those schemas that are references to components."""
    pointers = (tokens_of(schema["$ref"]) for schema in schemas if isinstance(schema, dict) and "$ref" in schema)
    return [tokens[-1] for tokens in pointers if tokens]


def _mapped(schema: Node, names: Iterable[str]) -> Node:
    discriminator = schema["discriminator"]
    explicit = discriminator.get("mapping", {})
    targets = {name: reference_to("components", "schemas", name) for name in names}
    known = set(explicit.values())
    implicit = {name: target for name, target in targets.items() if target not in known and name not in explicit}
    mapping = {**explicit, **implicit}
    return {**schema, "discriminator": {**discriminator, "mapping": mapping}} if mapping else schema


def _heirs(schemas: Mapping[str, Any]) -> Mapping[str, dict[str, None]]:
    heirs: dict[str, dict[str, None]] = {}
    for name, schema in schemas.items():
        if isinstance(schema, dict):
            for parent in _named(schema.get("allOf", ())):
                heirs.setdefault(parent, {})[name] = None
    return heirs


def _descendants(name: str, heirs: Mapping[str, Iterable[str]]) -> list[str]:
    found: dict[str, None] = {}
    waiting = deque(heirs.get(name, ()))
    while waiting:
        heir = waiting.popleft()
        if heir not in found and heir != name:
            found[heir] = None
            waiting.extend(heirs.get(heir, ()))
    return list(found)
