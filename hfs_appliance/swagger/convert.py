"""Bring a settled document to OpenAPI 3.1, its meaning kept.

Swagger 2.0 is first written as OpenAPI 3 (bodies, forms, media types, security, components), then all schemas of 2.0
and 3.0 become JSON Schema 2020-12. Of host, schemes and base path only the path stays: the mount replaces the rest
(see place). Sources: the three specifications; "Migrating from OpenAPI 3.0 to 3.1.0" (openapis.org) for the schemas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hfs_appliance.swagger.clean import Notes
from hfs_appliance.swagger.grammar import GRAMMARS, METHODS, OPENAPI, Dialect, Node, rebuild
from hfs_appliance.swagger.read import Copies, Document, measure
from hfs_appliance.swagger.refs import find, reference_to, settle, tokens_of

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"


def convert(document: Document, notes: Notes) -> Node:
    """Give the document as clean OpenAPI 3.1 whose references all lead to whole components."""
    root = settle(document, notes)
    if document.dialect is Dialect.SWAGGER_2_0:
        root = _Swagger2(root, notes).convert()
        measure(root)
    visit = _bounds_only if document.dialect is Dialect.OPENAPI_3_1 else _modern
    converted: Node = rebuild(OPENAPI, "document", root, visit)
    return converted


# --- schemas of 2.0 and 3.0


def _bounds_only(kind: str, node: Node) -> Node:
    return _modern_bounds(node) if kind == "schema" else node


def _modern(kind: str, node: Node) -> Node:
    return _modern_schema(node) if kind == "schema" else node


def _modern_bounds(schema: Node) -> Node:
    """Write exclusive bounds as numbers; some documents of 3.1 still have truth values, too."""
    new = dict(schema)
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(new.get(exclusive), bool):
            is_exclusive = new.pop(exclusive)
            if is_exclusive and limit in new:
                new[exclusive] = new.pop(limit)
    return new


def _modern_schema(schema: Node) -> Node:
    if "$ref" in schema:
        # Siblings of a reference mean nothing before 3.1, but a description does no harm.
        return {key: schema[key] for key in ("$ref", "description") if key in schema}
    new = _modern_bounds(schema)
    if new.get("type") == "file":
        new |= {"type": "string", "format": "binary"}
    if "example" in new:
        new["examples"] = [new.pop("example")]
    return _modern_null(new)


def _modern_null(schema: Node) -> Node:
    is_nullable = schema.pop("nullable", False) or schema.pop("x-nullable", False) is True
    if not is_nullable:
        return schema
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    if any(key in schema for key in ("allOf", "anyOf", "oneOf")):
        # 3.0.3 calls this meaningless; generators write it all the same, and mean that null is allowed.
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


# --- Swagger 2.0

_FACETS: Final = tuple(
    key for key in GRAMMARS[Dialect.SWAGGER_2_0]["items"].fields if key not in ("items", "collectionFormat")
)
_QUERY_STYLES: Final[Mapping[str, Node]] = {
    "csv": {"style": "form", "explode": False},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
    "multi": {"style": "form", "explode": True},
}
_FLOWS: Final = {"application": "clientCredentials", "accessCode": "authorizationCode"}


class _Swagger2:
    def __init__(self, root: Node, notes: Notes) -> None:
        self._root = root
        self._notes = notes
        self._copies = Copies()
        self._consumes: list[str] = root.get("consumes", [])
        self._produces: list[str] = root.get("produces", [])

    def convert(self) -> Node:
        old = self._root
        shared = {name: self._parameter(each) for name, each in old.get("parameters", {}).items()}
        new: Node = {
            "openapi": "3.1.0",
            **{key: old[key] for key in ("info", "tags", "externalDocs", "security") if key in old},
            "servers": [{"url": "/" + old.get("basePath", "").strip("/")}],
            "paths": {path: self._path_item(item) for path, item in old.get("paths", {}).items()},
            "components": {
                "schemas": {name: self._schema(each) for name, each in old.get("definitions", {}).items()},
                "parameters": {name: each for name, each in shared.items() if each is not None},
                "responses": {n: self._response(each, self._produces) for n, each in old.get("responses", {}).items()},
                "securitySchemes": {name: _scheme(each) for name, each in old.get("securityDefinitions", {}).items()},
            },
        }
        return new | _extensions(old)

    def _path_item(self, item: Node) -> Node:
        common = item.get("parameters", [])
        new: Node = {key: item[key] for key in ("summary", "description") if key in item}
        if parameters := self._parameters(common):
            new["parameters"] = parameters
        new |= {method: self._operation(item[method], common) for method in METHODS if method in item}
        return new | _extensions(item)

    def _operation(self, operation: Node, common: Sequence[Node]) -> Node:
        own = operation.get("parameters", [])
        consumes: list[str] = operation.get("consumes", self._consumes)
        produces: list[str] = operation.get("produces", self._produces)
        copied = ("tags", "summary", "description", "externalDocs", "operationId", "deprecated", "security")
        new: Node = {key: operation[key] for key in copied if key in operation}
        if parameters := self._parameters(own):
            new["parameters"] = parameters
        body = self._body([self._target(each) for each in (*common, *own)], consumes)
        if body is not None:
            new["requestBody"] = body
        new["responses"] = {
            code: each if code.startswith("x-") else self._use_of_response(each, operation, produces)
            for code, each in operation.get("responses", {}).items()
        }
        return new | _extensions(operation)

    def _parameters(self, nodes: Sequence[Node]) -> list[Node]:
        return [new for new in map(self._parameter, nodes) if new is not None]

    def _target(self, node: Node) -> Node:
        """Follow a reference (they all lead somewhere) to the thing itself."""
        while "$ref" in node:
            node = find(self._root, tokens_of(node["$ref"]) or ())
        return node

    def _parameter(self, node: Node) -> Node | None:
        """Convert a parameter; None for a body or a form field, which are no parameters any more."""
        target = self._target(node)
        if target["in"] in ("body", "formData"):
            return None
        if "$ref" in node:
            return {"$ref": reference_to("components", *(tokens_of(node["$ref"]) or ()))}
        new: Node = {key: node[key] for key in ("name", "in", "description") if key in node}
        if node.get("required") or node["in"] == "path":
            new["required"] = True
        if node["in"] == "query" and "allowEmptyValue" in node:
            new["allowEmptyValue"] = node["allowEmptyValue"]
        new["schema"] = self._schema(node["schema"]) if "schema" in node else self._facets(node)
        if node.get("type") == "array":
            new |= self._style(node)
        return new | _extensions(node)

    def _style(self, node: Node) -> Node:
        form = node.get("collectionFormat", "csv")
        if node["in"] == "query" and form in _QUERY_STYLES:
            return _QUERY_STYLES[form]
        if form != "csv":
            self._notes.add(
                f"parameter {node['name'][:80]!r}: collectionFormat {form[:20]!r} cannot be said in OpenAPI 3"
            )
        return {"style": "form" if node["in"] == "query" else "simple", "explode": False}

    def _facets(self, node: Node) -> Node:
        """Take the schema out of a 2.0 parameter, header or items object."""
        schema: Node = {key: node[key] for key in (*_FACETS, "x-nullable", "x-example") if key in node}
        if "items" in node:
            schema["items"] = self._facets(node["items"])
        return schema

    def _body(self, parameters: Sequence[Node], consumes: Sequence[str]) -> Node | None:
        # The later one of a name wins: an operation's own before its path's.
        effective = {(each["in"], each["name"] if each["in"] != "body" else ""): each for each in parameters}
        fields = [each for each in effective.values() if each["in"] == "formData"]
        for each in effective.values():
            if each["in"] == "body":
                self._copies.add(each)
                media = {"schema": self._schema(each.get("schema", {}))}
                new: Node = {"description": each["description"]} if "description" in each else {}
                new["content"] = {name: dict(media) for name in consumes or ("application/json",)}
                return new | ({"required": True} if each.get("required") else {}) | _extensions(each)
        return self._form(fields, consumes) if fields else None

    def _form(self, fields: Sequence[Node], consumes: Sequence[str]) -> Node:
        properties: Node = {}
        encoding: Node = {}
        for each in fields:
            schema = self._facets(each)
            if "description" in each:
                schema["description"] = each["description"]
            properties[each["name"]] = schema
            if each.get("type") == "array":
                encoding[each["name"]] = self._style(each | {"in": "query"})
        required = [each["name"] for each in fields if each.get("required")]
        schema = {"type": "object", "properties": properties} | ({"required": required} if required else {})
        usual = MULTIPART if any(each.get("type") == "file" for each in fields) else FORM
        kinds = [name for name in consumes if name in (FORM, MULTIPART)] or [usual]
        media: Node = {"schema": schema} | ({"encoding": encoding} if encoding else {})
        return {"content": {kind: dict(media) for kind in kinds}} | ({"required": True} if required else {})

    def _use_of_response(self, node: Node, operation: Node, produces: Sequence[str]) -> Node:
        # A shared response was converted with the document's media types: it fits unless the operation has its own.
        if "$ref" in node and "produces" not in operation:
            return {"$ref": reference_to("components", *(tokens_of(node["$ref"]) or ()))}
        self._copies.add(self._target(node))
        return self._response(self._target(node), produces)

    def _response(self, node: Node, produces: Sequence[str]) -> Node:
        if "$ref" in node:
            return {"$ref": reference_to("components", *(tokens_of(node["$ref"]) or ()))}
        new: Node = {"description": node["description"]}
        examples = node.get("examples", {})
        if "headers" in node:
            new["headers"] = {name: self._header(each) for name, each in node["headers"].items()}
        if "schema" in node:
            kinds = dict.fromkeys((*(produces or ("*/*",)), *examples))
            new["content"] = {kind: {"schema": self._schema(node["schema"])} for kind in kinds}
        elif examples:
            new["content"] = {kind: {} for kind in examples}
        for kind, example in examples.items():
            new["content"][kind]["example"] = example
        return new | _extensions(node)

    def _header(self, node: Node) -> Node:
        described = {"description": node["description"]} if "description" in node else {}
        return described | {"schema": self._facets(node)} | _extensions(node)

    def _schema(self, schema: Any) -> Any:
        return rebuild(GRAMMARS[Dialect.SWAGGER_2_0], "schema", schema, _schema_3)


def _schema_3(kind: str, node: Node) -> Node:
    if kind != "schema":
        return node
    if "$ref" in node:
        *_, name = tokens_of(node["$ref"]) or ("",)
        return {**node, "$ref": reference_to("components", "schemas", name)}
    if "discriminator" in node:
        return {**node, "discriminator": {"propertyName": node["discriminator"]}}
    return node


def _scheme(scheme: Node) -> Node:
    described = {"description": scheme["description"]} if "description" in scheme else {}
    if scheme["type"] == "basic":
        return {"type": "http", "scheme": "basic"} | described | _extensions(scheme)
    if scheme["type"] == "oauth2":
        flow: Node = {key: scheme[key] for key in ("authorizationUrl", "tokenUrl") if key in scheme}
        flow["scopes"] = scheme.get("scopes", {})
        name = scheme.get("flow", "implicit")
        return {"type": "oauth2", "flows": {_FLOWS.get(name, name): flow}} | described | _extensions(scheme)
    return scheme


def _extensions(node: Node) -> Node:
    return {key: value for key, value in node.items() if key.startswith("x-")}
