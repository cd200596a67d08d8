"""Converting: each construct of Swagger 2.0 and OpenAPI 3.0 beside what it is in 3.1."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.documents import alone, left_out, openapi, operation, schema_of, swagger, with_schema


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"nullable": True}, {}),
        (
            {"allOf": [{"type": "string"}], "nullable": True},
            {"anyOf": [{"allOf": [{"type": "string"}]}, {"type": "null"}]},
        ),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"minimum": 1, "exclusiveMinimum": False}, {"minimum": 1}),
        ({"maximum": 1.5, "exclusiveMaximum": True}, {"exclusiveMaximum": 1.5}),
        ({"exclusiveMaximum": True}, {}),
        ({"type": "object", "example": {"nullable": True}}, {"type": "object", "examples": [{"nullable": True}]}),
        ({"properties": {"nullable": {"type": "boolean"}}}, {"properties": {"nullable": {"type": "boolean"}}}),
        (
            {"$ref": "#/components/schemas/B", "nullable": True, "description": "d"},
            {"$ref": "#/components/schemas/svc.B", "description": "d"},
        ),
        ({"type": "integer", "nullable": True, "default": None}, {"type": ["integer", "null"], "default": None}),
    ],
)
def test_a_schema_of_3_0(before: Any, after: Any) -> None:
    assert schema_of(with_schema(before, "3.0.3", B={"type": "string"})) == after


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"], "const": "a"},
        {"$ref": "#/components/schemas/A", "description": "siblings count", "minLength": 3},
        {"if": {"type": "string"}, "then": {"minLength": 1}, "else": False},
        {"prefixItems": [{"type": "string"}, True], "items": False, "unevaluatedItems": False},
        {"exclusiveMinimum": 0, "examples": [1], "$comment": "c", "my-keyword": [1]},
        True,
    ],
)
def test_a_schema_of_3_1_stays_as_it_is(schema: Any) -> None:
    expected = schema
    if isinstance(schema, dict) and "$ref" in schema:
        expected = {**schema, "$ref": "#/components/schemas/svc.A"}
    assert schema_of(with_schema({"type": "string"}, B=schema), "B") == expected


def of_swagger(operation_fields: Any, **fields: Any) -> Any:
    """Convert a document with one operation; give that operation, without what every operation gets."""
    document = alone(swagger(paths={"/a": {"post": operation(**operation_fields)}}, **fields))
    converted = document["paths"]["/svc/a"]["post"]
    return {key: value for key, value in converted.items() if key not in ("operationId", "tags")}


def test_a_body() -> None:
    body = {"in": "body", "name": "pet", "description": "d", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    converted = of_swagger(
        {"parameters": [body], "consumes": ["application/json", "application/xml"]},
        definitions={"Pet": {"type": "object"}},
    )
    media = {"schema": {"$ref": "#/components/schemas/svc.Pet"}}
    assert converted["requestBody"] == {
        "description": "d",
        "required": True,
        "content": {"application/json": media, "application/xml": media},
    }
    assert "parameters" not in converted


def test_a_form() -> None:
    fields = [
        {"in": "formData", "name": "name", "type": "string", "required": True, "description": "d", "minLength": 1},
        {"in": "formData", "name": "ids", "type": "array", "items": {"type": "integer"}, "collectionFormat": "pipes"},
    ]
    assert of_swagger({"parameters": fields})["requestBody"] == {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "description": "d"},
                        "ids": {"type": "array", "items": {"type": "integer"}},
                    },
                },
                "encoding": {"ids": {"style": "pipeDelimited", "explode": False}},
            }
        },
    }


def test_a_file_makes_a_form_multipart() -> None:
    converted = of_swagger({"parameters": [{"in": "formData", "name": "upload", "type": "file"}]})
    assert converted["requestBody"]["content"] == {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"upload": {"type": "string", "format": "binary"}}}
        }
    }


@pytest.mark.parametrize(
    ("place", "form", "style"),
    [
        ("query", None, {"style": "form", "explode": False}),
        ("query", "csv", {"style": "form", "explode": False}),
        ("query", "ssv", {"style": "spaceDelimited", "explode": False}),
        ("query", "pipes", {"style": "pipeDelimited", "explode": False}),
        ("query", "multi", {"style": "form", "explode": True}),
        ("header", "csv", {"style": "simple", "explode": False}),
    ],
)
def test_a_collection_format(place: str, form: str | None, style: Any) -> None:
    written = {"in": place, "name": "ids", "type": "array", "items": {"type": "string"}}
    written |= {} if form is None else {"collectionFormat": form}
    schema = {"type": "array", "items": {"type": "string"}}
    assert of_swagger({"parameters": [written]})["parameters"] == [
        {"in": place, "name": "ids", "schema": schema, **style}
    ]


def test_a_collection_format_that_cannot_be_said_any_more_is_named() -> None:
    written = {"in": "query", "name": "ids", "type": "array", "items": {"type": "string"}, "collectionFormat": "tsv"}
    _, words = left_out(swagger(paths={"/a": {"get": operation(parameters=[written])}}))
    assert words == "parameter 'ids': collectionFormat 'tsv' cannot be said in OpenAPI 3"


def test_responses() -> None:
    answer = {
        "description": "d",
        "schema": {"type": "file"},
        "headers": {"X-Rate": {"type": "integer", "description": "left", "minimum": 0}},
        "examples": {"text/csv": "a;b"},
    }
    assert of_swagger({"responses": {"200": answer}, "produces": ["image/png"]})["responses"] == {
        "200": {
            "description": "d",
            "headers": {"X-Rate": {"description": "left", "schema": {"type": "integer", "minimum": 0}}},
            "content": {
                "image/png": {"schema": {"type": "string", "format": "binary"}},
                "text/csv": {"schema": {"type": "string", "format": "binary"}, "example": "a;b"},
            },
        }
    }


def test_shared_parameters_and_responses_are_followed_where_their_meaning_depends_on_the_operation() -> None:
    shared: Any = {
        "parameters": {
            "Limit": {"name": "limit", "in": "query", "type": "integer"},
            "Pet": {"name": "pet", "in": "body", "schema": {"type": "object"}},
        },
        "responses": {"Pets": {"description": "d", "schema": {"type": "array", "items": {}}}},
        "produces": ["application/json"],
        "consumes": ["application/json"],
    }
    parameters = [{"$ref": "#/parameters/Limit"}, {"$ref": "#/parameters/Pet"}]
    converted = of_swagger({"parameters": parameters, "responses": {"200": {"$ref": "#/responses/Pets"}}}, **shared)
    assert converted["parameters"] == [{"$ref": "#/components/parameters/svc.Limit"}]
    assert converted["requestBody"] == {"content": {"application/json": {"schema": {"type": "object"}}}}
    assert converted["responses"] == {"200": {"$ref": "#/components/responses/svc.Pets"}}
    own = of_swagger({"produces": ["text/csv"], "responses": {"200": {"$ref": "#/responses/Pets"}}}, **shared)
    assert list(own["responses"]["200"]["content"]) == ["text/csv"]


def test_a_body_of_the_path_serves_each_of_its_operations() -> None:
    body = {"in": "body", "name": "b", "schema": {"type": "string"}}
    item = {"parameters": [body], "put": operation(), "post": operation()}
    paths = alone(swagger(paths={"/a": item}))["paths"]
    assert paths["/svc/a"]["put"]["requestBody"] == paths["/svc/a"]["post"]["requestBody"]
    assert "parameters" not in paths["/svc/a"]["put"]


def test_security_definitions() -> None:
    definitions = {
        "basic": {"type": "basic", "description": "d"},
        "key": {"type": "apiKey", "in": "query", "name": "k"},
        "code": {
            "type": "oauth2",
            "flow": "accessCode",
            "authorizationUrl": "/a",
            "tokenUrl": "/t",
            "scopes": {"r": "read"},
        },
        "application": {"type": "oauth2", "flow": "application", "tokenUrl": "/t"},
    }
    assert alone(swagger(securityDefinitions=definitions))["components"]["securitySchemes"] == {
        "svc.basic": {"type": "http", "scheme": "basic", "description": "d"},
        "svc.key": {"type": "apiKey", "in": "query", "name": "k"},
        "svc.code": {
            "type": "oauth2",
            "flows": {"authorizationCode": {"authorizationUrl": "/a", "tokenUrl": "/t", "scopes": {"r": "read"}}},
        },
        "svc.application": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/t", "scopes": {}}}},
    }


def test_names_that_mean_something_elsewhere_are_ordinary() -> None:
    names = ("constructor", "__proto__", "one", "$ref", "default", "x-a", "properties")
    properties = {name: {"type": "string", "nullable": True} for name in names}
    made = schema_of(openapi("3.0.3", components={"schemas": {"A": {"properties": properties}}}))
    assert made["properties"] == {name: {"type": ["string", "null"]} for name in names}
