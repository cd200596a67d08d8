"""The grammar of documents: which objects there are, what their fields hold, and walks over them.

Lives here: one table for Swagger 2.0 and one for OpenAPI 3.0 and 3.1, from their specifications. Whatever must know
*where* in a document it is (checking, references, renaming) goes by these tables, so that an example that looks like
a reference, or a property called `$ref`, is never taken for one.

A field is written `name`, `name!` (the object is nothing without it) or `name=` (empty text when it is missing). It
holds a leaf, an object, a list `[x]` or a map of free names `{x}`. `*` stands for all other names, `^…` for those
that match. An object marked `&` may be a reference in place of itself. `x-` fields are data everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

Node: TypeAlias = dict[str, Any]


class Dialect(StrEnum):
    """The kinds of document that are understood."""

    SWAGGER_2_0 = "2.0"
    OPENAPI_3_0 = "3.0"
    OPENAPI_3_1 = "3.1"


class Holds(StrEnum):
    """How a field holds what it holds."""

    ONE = "one"
    LIST = "list"
    MAP = "map"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What a field holds: leaves or objects of one kind."""

    kind: str
    holds: Holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of object."""

    is_referable: bool
    fields: Mapping[str, Slot]
    required: tuple[str, ...]
    filled: tuple[str, ...]
    pattern: re.Pattern[str] | None
    others: Slot | None
    """What names hold that are no fields (and match `pattern`, if there is one)."""

    def slot(self, name: str) -> Slot | None:
        """Tell what the field `name` holds; None for a name that has no place here."""
        if name in self.fields:
            return self.fields[name]
        if self.others is not None and self.pattern is None:
            return self.others
        if name.startswith("x-"):
            return ANY
        return self.others if self.pattern is not None and self.pattern.match(name) else None


Grammar: TypeAlias = Mapping[str, Shape]

ANY: Final = Slot(kind="any", holds=Holds.ONE)

_NUMBERS = dict.fromkeys(("maximum", "minimum", "multipleOf"), "number")
_COUNTS = dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), "count")
_LIMITS: Final = {"exclusiveMaximum": "limit", "exclusiveMinimum": "limit", "pattern": "text", "uniqueItems": "flag"}
_FACETS: Final = {"type": "type", "format": "text", "default": "any", "enum": "[any]"} | _NUMBERS | _COUNTS | _LIMITS
_METHODS_2: Final = ("get", "put", "post", "delete", "options", "head", "patch")
METHODS: Final = (*_METHODS_2, "trace")

_COMMON: Final[dict[str, dict[str, str]]] = {
    "info": {"title=": "text", "version=": "text", "description": "text", "*": "any"},
    "docs": {"url!": "text", "description": "text"},
    "tag": {"name!": "text", "description": "text", "externalDocs": "docs"},
    "requirement": {"*": "texts"},
    "paths": {"^/": "path-item"},
    "xml": {"name": "text", "namespace": "text", "prefix": "text", "attribute": "flag", "wrapped": "flag"},
    "schema": _FACETS
    | dict.fromkeys(("title", "description", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment"), "text")
    | dict.fromkeys(("contentEncoding", "contentMediaType", "$id", "$schema"), "text")
    | dict.fromkeys(("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"), "{schema}")
    | dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "[schema]")
    | dict.fromkeys(("items", "additionalProperties", "not", "if", "then", "else", "contains"), "schema")
    | dict.fromkeys(("propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema"), "schema")
    | dict.fromkeys(("minContains", "maxContains"), "count")
    | dict.fromkeys(("readOnly", "writeOnly", "deprecated", "nullable"), "flag")
    | {"required": "texts", "dependentRequired": "{texts}", "examples": "[any]", "discriminator": "discriminator"}
    | {"xml": "xml", "externalDocs": "docs", "$vocabulary": "nothing", "$recursiveRef": "nothing", "*": "any"},
}

_SWAGGER_2: Final = _COMMON | {
    "document": {
        "swagger!": "any",
        "info": "info",
        "host": "text",
        "basePath": "text",
        "schemes": "[text]",
        "consumes": "[text]",
        "produces": "[text]",
        "paths": "paths",
        "definitions": "{schema}",
        "parameters": "{parameter}",
        "responses": "{response}",
        "securityDefinitions": "{scheme}",
        "security": "[requirement]",
        "tags": "[tag]",
        "externalDocs": "docs",
    },
    "path-item": {"$ref": "text", "parameters": "[parameter]", "summary": "text", "description": "text"}
    | dict.fromkeys(METHODS, "operation"),  # httpbin describes TRACE, which 2.0 does not know: kept
    "operation": dict.fromkeys(("tags", "consumes", "produces", "schemes"), "[text]")
    | dict.fromkeys(("summary", "description", "operationId"), "text")
    | {"externalDocs": "docs", "parameters": "[parameter]", "responses": "responses", "deprecated": "flag"}
    | {"security": "[requirement]"},
    "&parameter": _FACETS
    | {"name!": "text", "in!": "text", "description": "text", "required": "flag", "allowEmptyValue": "flag"}
    | {"schema": "schema", "items": "items", "collectionFormat": "text"},
    "items": _FACETS | {"items": "items", "collectionFormat": "text"},
    "responses": {"^(default|[1-5][0-9][0-9])$": "response"},
    "&response": {"description=": "text", "schema": "schema", "headers": "{header}", "examples": "{any}"},
    "header": _FACETS | {"description": "text", "items": "items", "collectionFormat": "text"},
    "scheme": {"type!": "text"}
    | dict.fromkeys(("description", "name", "in", "flow", "authorizationUrl", "tokenUrl"), "text")
    | {"scopes": "{text}"},
    "schema": _COMMON["schema"] | {"discriminator": "text"},
}

_CONTENT: Final = {"schema": "schema", "example": "any", "examples": "{example}"}
_STYLE: Final = {"style": "text", "explode": "flag"}

_OPENAPI_3: Final = _COMMON | {
    "document": {
        "openapi!": "any",
        "info": "info",
        "servers": "[server]",
        "paths": "paths",
        "webhooks": "{path-item}",
        "components": "components",
        "security": "[requirement]",
        "tags": "[tag]",
        "externalDocs": "docs",
        "jsonSchemaDialect": "text",
    },
    "server": {"url!": "text", "description": "text", "variables": "{server-variable}"},
    "server-variable": {"enum": "[text]", "default!": "text", "description": "text"},
    "components": {
        "schemas": "{schema}",
        "responses": "{response}",
        "parameters": "{parameter}",
        "examples": "{example}",
        "requestBodies": "{body}",
        "headers": "{header}",
        "securitySchemes": "{scheme}",
        "links": "{link}",
        "callbacks": "{callback}",
        "pathItems": "{path-item}",
    },
    "&path-item": {"$ref": "text", "summary": "text", "description": "text"}
    | {"servers": "[server]", "parameters": "[parameter]"}
    | dict.fromkeys(METHODS, "operation"),
    "operation": {"tags": "[text]", "summary": "text", "description": "text", "externalDocs": "docs"}
    | {"operationId": "text", "parameters": "[parameter]", "requestBody": "body", "responses": "responses"}
    | {"callbacks": "{callback}", "deprecated": "flag", "security": "[requirement]", "servers": "[server]"},
    "&parameter": {"name!": "text", "in!": "text", "description": "text", "required": "flag", "deprecated": "flag"}
    | {"allowEmptyValue": "flag", "allowReserved": "flag", "content": "{media-type}"}
    | _CONTENT
    | _STYLE,
    "&header": {"description": "text", "required": "flag", "deprecated": "flag", "content": "{media-type}"}
    | _CONTENT
    | _STYLE,
    "&body": {"description": "text", "content!": "{media-type}", "required": "flag"},
    "media-type": _CONTENT | {"encoding": "{encoding}"},
    "encoding": {"contentType": "text", "headers": "{header}", "allowReserved": "flag"} | _STYLE,
    "responses": {"^(default|[1-5]([0-9][0-9]|XX))$": "response"},
    "&response": {"description=": "text", "headers": "{header}", "content": "{media-type}", "links": "{link}"},
    "&callback": {"^": "path-item"},
    "&example": {"summary": "text", "description": "text", "value": "any", "externalValue": "text"},
    "&link": {"operationRef": "text", "operationId": "text", "parameters": "{text}", "requestBody": "any"}
    | {"description": "text"},
    "&scheme": {"type!": "text", "flows": "flows"}
    | dict.fromkeys(("description", "name", "in", "scheme", "bearerFormat", "openIdConnectUrl"), "text"),
    "flows": dict.fromkeys(("implicit", "password", "clientCredentials", "authorizationCode"), "flow"),
    "flow": {"authorizationUrl": "text", "tokenUrl": "text", "refreshUrl": "text", "scopes!": "{text}"},
    "discriminator": {"propertyName!": "text", "mapping": "{text}"},
}


def _slot(holding: str) -> Slot:
    forms = {"[": Holds.LIST, "{": Holds.MAP}
    holds = forms.get(holding[0], Holds.ONE)
    return Slot(kind=holding if holds is Holds.ONE else holding[1:-1], holds=holds)


def _shape(name: str, entries: Mapping[str, str]) -> Shape:
    plain = {key.rstrip("!="): _slot(value) for key, value in entries.items() if key[0] not in "*^"}
    rest = next(((key, value) for key, value in entries.items() if key[0] in "*^"), None)
    return Shape(
        is_referable=name.startswith("&"),
        fields=plain,
        required=tuple(key[:-1] for key in entries if key.endswith("!")),
        filled=tuple(key[:-1] for key in entries if key.endswith("=")),
        pattern=re.compile(rest[0]) if rest is not None and rest[0].startswith("^") else None,
        others=None if rest is None else _slot(rest[1]),
    )


def _compile(table: Mapping[str, Mapping[str, str]]) -> Grammar:
    return {name.lstrip("&"): _shape(name, entries) for name, entries in table.items()}


OPENAPI: Final = _compile(_OPENAPI_3)
GRAMMARS: Final[Mapping[Dialect, Grammar]] = {
    Dialect.SWAGGER_2_0: _compile(_SWAGGER_2),
    Dialect.OPENAPI_3_0: OPENAPI,
    Dialect.OPENAPI_3_1: OPENAPI,
}


def walk(
    grammar: Grammar, kind: str, node: Any, tokens: tuple[str, ...] = ()
) -> Iterator[tuple[Node, tuple[str, ...]]]:
    """Give every object of an unchecked document with its place."""
    if kind not in grammar or not isinstance(node, dict):
        return
    yield node, tokens
    for key, value in node.items():
        slot = grammar[kind].slot(key)
        if slot is not None and slot.kind in grammar:
            for part, below in _parts(slot, value):
                yield from walk(grammar, slot.kind, part, (*tokens, key, *below))


def _parts(slot: Slot, value: Any) -> list[tuple[Any, tuple[str, ...]]]:
    if slot.holds is Holds.LIST:
        return [(part, (str(index),)) for index, part in enumerate(value)] if isinstance(value, list) else []
    if slot.holds is Holds.MAP:
        return [(part, (name,)) for name, part in value.items()] if isinstance(value, dict) else []
    return [(value, ())]


Visit: TypeAlias = Callable[[str, Node], Node | None]


def rebuild(grammar: Grammar, kind: str, node: Any, visit: Visit) -> Any:
    """Copy a checked node; each object becomes what `visit` gives for it, inner ones first; None leaves it out."""
    shape = grammar.get(kind)
    if shape is None or not isinstance(node, dict):
        return node
    copy: Node = {}
    for key, value in node.items():
        slot = shape.slot(key)
        if slot is None or slot.kind not in grammar:
            copy[key] = value
            continue
        rebuilt = _rebuild_slot(grammar, slot, value, visit)
        if rebuilt is not None:
            copy[key] = rebuilt
    return visit(kind, copy)


def _rebuild_slot(grammar: Grammar, slot: Slot, value: Any, visit: Visit) -> Any:
    if slot.holds is Holds.ONE:
        return rebuild(grammar, slot.kind, value, visit)
    if slot.holds is Holds.LIST:
        return [part for item in value if (part := rebuild(grammar, slot.kind, item, visit)) is not None]
    built = {name: rebuild(grammar, slot.kind, item, visit) for name, item in value.items()}
    return {name: part for name, part in built.items() if part is not None}
