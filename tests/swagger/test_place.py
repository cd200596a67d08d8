"""Placing: public paths, names, references, discriminators, security, tags and links."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hfs_appliance.swagger.merge import merge
from tests.support.documents import (
    alone,
    left_out,
    merged_of,
    openapi,
    operation,
    operations_of,
    schema_of,
    source,
    swagger,
    with_schema,
)

GET_PETS = {"/pets": {"get": operation()}}

# --- public paths


@pytest.mark.parametrize(
    ("document", "base_path", "address"),
    [
        (openapi(paths=GET_PETS), "/", "/svc/pets"),
        (swagger(paths=GET_PETS), "/", "/svc/pets"),
        (swagger(paths=GET_PETS, basePath="/v2", host="example.com"), "/", "/svc/v2/pets"),
        (swagger(paths=GET_PETS, basePath="/v2/"), "/v2/", "/svc/pets"),
        (swagger(paths=GET_PETS, basePath="/api/v2"), "/api/", "/svc/v2/pets"),
        (openapi(paths=GET_PETS, servers=[{"url": "/v2"}]), "/", "/svc/v2/pets"),
        (openapi(paths=GET_PETS, servers=[{"url": "https://api.example.com/v2/"}]), "/v2/", "/svc/pets"),
        (openapi(paths=GET_PETS, servers=[{"url": "/other"}, {"url": "/v2"}]), "/v2/", "/svc/pets"),
        (openapi(paths=GET_PETS, servers=[{"url": "v2"}]), "/", "/svc/docs/v2/pets"),
        (
            openapi(paths=GET_PETS, servers=[{"url": "/{v}", "variables": {"v": {"default": "v3"}}}]),
            "/",
            "/svc/v3/pets",
        ),
        (
            openapi(paths={"/pets": {"get": operation(servers=[{"url": "/x"}]), "servers": [{"url": "/y"}]}}),
            "/",
            "/svc/x/pets",
        ),
        (openapi(paths={"/pets": {"get": operation(), "servers": [{"url": "/y"}]}}), "/", "/svc/y/pets"),
        (openapi(paths={"/": {"get": operation()}}), "/", "/svc/"),
    ],
)
def test_an_operation_is_listed_where_it_is_reached(document: Any, base_path: str, address: str) -> None:
    merged = alone(document, base_path=base_path, document_path="/docs/openapi.json")
    assert operations_of(merged) == {("get", address)}
    assert "servers" not in merged["paths"][address]["get"]
    assert merged["servers"] == [{"url": "/"}]


def test_an_operation_outside_the_base_path_is_not_listed() -> None:
    merged, words = left_out(
        openapi(paths={"/api/a": {"get": operation()}, "/b": {"get": operation()}}), base_path="/api/"
    )
    assert operations_of(merged) == {("get", "/svc/a")}
    assert words == "GET /b lies outside '/api/': not reachable"


@pytest.mark.parametrize(
    "path",
    [
        "/x; } location / { proxy_pass http://evil; }",
        "/a\n}",
        "/../other/secrets",
        "/a/%2e%2e/other",
        "/a?b=c",
        "/{open",
        "/close}",
        "/{a b}",
        "/a#b",
    ],
)
def test_what_is_no_path_is_left_out(path: str) -> None:
    merged, words = left_out(openapi(paths={path: {"get": operation()}, "/good": {"get": operation()}}))
    assert operations_of(merged) == {("get", "/svc/good")}
    assert "the path" in words


def test_templates_that_differ_in_names_only_are_one_path() -> None:
    pet = {"name": "pet", "in": "path", "required": True, "schema": {"type": "string"}}
    identity = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    paths = {
        "/pets/{pet}": {"parameters": [pet], "get": operation()},
        "/pets/{id}": {"delete": operation(parameters=[identity]), "get": operation(parameters=[identity])},
    }
    merged, words = left_out(openapi(paths=paths))
    assert operations_of(merged) == {("get", "/svc/pets/{pet}"), ("delete", "/svc/pets/{pet}")}
    assert merged["paths"]["/svc/pets/{pet}"]["delete"]["parameters"] == [identity | {"name": "pet"}]
    assert words == "GET /pets/{id} is described twice: /svc/pets/{pet} was kept"


def test_path_parameters_are_those_of_the_path() -> None:
    extra = {"name": "other", "in": "path", "required": True, "schema": {}}
    merged, words = left_out(openapi(paths={"/a/{x}": {"get": operation(parameters=[extra])}}))
    assert merged["paths"]["/svc/a/{x}"]["get"]["parameters"] == [
        {"name": "x", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    assert words == "/a/{x}: parameter 'other' has no place in the path\n/a/{x}: parameter 'x' is not described"


def test_a_path_item_that_is_a_reference_is_followed() -> None:
    shared = {"get": operation(summary="shared"), "summary": "theirs"}
    document = openapi(
        paths={"/a": {"$ref": "#/components/pathItems/P", "summary": "own"}, "/b": {"$ref": "#/paths/~1a"}},
        components={"pathItems": {"P": shared}},
    )
    merged = alone(document)
    assert operations_of(merged) == {("get", "/svc/a"), ("get", "/svc/b")}
    assert merged["paths"]["/svc/a"]["summary"] == "own"
    assert merged["paths"]["/svc/b"]["get"]["operationId"] != merged["paths"]["/svc/a"]["get"]["operationId"]


# --- references


def test_components_of_one_name_live_side_by_side() -> None:
    merged, _ = merged_of(
        source("a", with_schema({"type": "string"})),
        source("b", with_schema({"type": "integer"}, "3.0.0")),
        source("c", swagger(definitions={"A": {"type": "boolean"}})),
    )
    types = {name: schema["type"] for name, schema in merged["components"]["schemas"].items()}
    assert types == {"a.A": "string", "b.A": "integer", "c.A": "boolean"}


def test_odd_names_are_made_fit_and_stay_apart() -> None:
    definitions = {"Page«Pet»": {"type": "string"}, "Page<Pet>": {"$ref": "#/definitions/Page%C2%ABPet%C2%BB"}}
    schemas = alone(swagger(definitions=definitions))["components"]["schemas"]
    assert schemas == {
        "svc.Page_Pet_": {"type": "string"},
        "svc.Page_Pet__2": {"$ref": "#/components/schemas/svc.Page_Pet_"},
    }


NULL: Any = {"type": "null"}


@pytest.mark.parametrize("name", ["constructor", "__proto__", "one", "hasOwnProperty", "$ref", "x-a"])
def test_any_name_is_an_ordinary_name(name: str) -> None:
    merged = alone(with_schema({"properties": {"p": {"$ref": f"#/components/schemas/{name}"}}}, **{name: NULL}))
    schemas = merged["components"]["schemas"]
    target = schemas["svc.A"]["properties"]["p"]["$ref"].rpartition("/")[2]
    assert schemas[target.replace("%24", "$")] == NULL


@pytest.mark.parametrize(
    "reference",
    [
        "#/paths/~1pets~1{id}/get/responses/200/content/application~1json/schema",
        "#/paths/~1pets~1%7Bid%7D/get/responses/200/content/application~1json/schema",
        "#/components/schemas/B/properties/inner",
        "#/x-schemas/Hidden",
    ],
)
def test_a_reference_into_a_part_means_what_it_meant(reference: str) -> None:
    target = {"type": "object", "properties": {"back": {"$ref": "#/components/schemas/A"}}}
    answer = {"200": {"description": "", "content": {"application/json": {"schema": target}}}}
    identity = {"name": "id", "in": "path", "required": True, "schema": {}}
    document = openapi(
        paths={"/pets/{id}": {"get": operation(responses=answer, parameters=[identity])}},
        components={"schemas": {"A": {"items": {"$ref": reference}}, "B": {"properties": {"inner": target}}}},
    )
    document["x-schemas"] = {"Hidden": target}
    schemas = alone(document)["components"]["schemas"]
    hoisted = schemas["svc.A"]["items"]["$ref"].removeprefix("#/components/schemas/")
    assert schemas[hoisted] == {"type": "object", "properties": {"back": {"$ref": "#/components/schemas/svc.A"}}}


def test_a_reference_into_a_part_of_swagger_2_means_what_it_meant() -> None:
    answer = {"200": {"description": "", "schema": {"type": "integer", "x-nullable": True}}}
    document = swagger(
        paths={"/a": {"get": operation(responses=answer)}},
        definitions={"A": {"$ref": "#/paths/~1a/get/responses/200/schema"}},
    )
    schemas = alone(document)["components"]["schemas"]
    assert schemas[schemas["svc.A"]["$ref"].rpartition("/")[2]] == {"type": ["integer", "null"]}


@pytest.mark.parametrize("loop", [{"$ref": "#/components/schemas/B"}, {"$ref": "#/components/schemas/Nobody"}])
def test_a_reference_that_leads_nowhere_is_left_out(loop: Any) -> None:
    merged, words = left_out(with_schema(loop, B={"$ref": "#/components/schemas/A"}))
    assert merged["components"]["schemas"] == {"svc.A": {}, "svc.B": {}}
    assert "leads nowhere" in words


def nested(big: Any) -> Any:
    for _ in range(90):
        big = {"items": big}
    document = with_schema({"properties": {f"f{n}": {"$ref": "#/x-nested" + "/items" * n} for n in range(90)}})
    return {**document, "x-nested": big}


MANY: Any = {"properties": {f"p{n}": {"type": "string"} for n in range(3000)}}
LARGE_COPIES = {
    "references into parts": nested(MANY),
    "shared bodies": swagger(
        paths={f"/{n}": {"post": operation(parameters=[{"$ref": "#/parameters/B"}])} for n in range(100)},
        parameters={"B": {"name": "b", "in": "body", "schema": MANY}},
    ),
    "media types": swagger(
        paths={f"/{n}": {"get": {"responses": {"200": {"description": "", "schema": {}}}}} for n in range(600)},
        produces=[f"text/x-{n}" for n in range(600)],
    ),
    "security": openapi(
        paths={f"/{n}": {"get": operation()} for n in range(600)}, security=[{f"k{n}": []} for n in range(600)]
    ),
    "heirs": swagger(
        definitions={
            f"A{n}": {"discriminator": "kind", "allOf": [{"$ref": f"#/definitions/A{max(0, n - 1)}"}]}
            for n in range(400)
        },
    ),
}


@pytest.mark.parametrize("way", sorted(LARGE_COPIES))
def test_small_documents_cannot_make_large_copies(way: str) -> None:
    merged = merge([source("svc", LARGE_COPIES[way])], title="T")
    assert "more than" in next(iter(merged.services.values())).reason


def test_a_long_chain_of_references_leads_nowhere() -> None:
    chain = {f"/{n}": {"$ref": f"#/paths/~1{n + 1}"} for n in range(2000)} | {"/2000": {"get": operation()}}
    merged, words = left_out(openapi(paths=chain))
    assert operations_of(merged) == {("get", f"/svc/{n}") for n in range(1980, 2001)}
    assert "leads nowhere" in words


def test_text_that_looks_like_a_reference_stays() -> None:
    looks = {"$ref": "#/components/schemas/A", "nullable": True, "example": 1}
    schema = {"example": looks, "default": looks, "const": looks, "x-any": looks, "enum": [looks]}
    # The validator itself takes a default for a reference: it is not asked here.
    merged = merge([source("svc", with_schema(schema))], title="T")
    assert json.loads(merged.content)["components"]["schemas"] == {"svc.A": schema}


def test_examples_with_text_that_looks_like_a_reference_stay() -> None:
    media = {"examples": {"e": {"value": {"$ref": "#/components/schemas/A"}}}, "schema": {}}
    body = {"content": {"application/json": media}}
    merged = alone(openapi(paths={"/a": {"post": operation(requestBody=body)}}))
    assert merged["paths"]["/svc/a"]["post"]["requestBody"]["content"]["application/json"] == media


def test_anchors_become_references() -> None:
    document = with_schema(
        {"$anchor": "here", "items": {"$ref": "#here"}, "not": {"$anchor": "in", "items": {"$ref": "#in"}}}
    )
    merged, _ = merged_of(source("a", document), source("b", document))
    schemas = merged["components"]["schemas"]
    assert schemas["a.A"]["items"] == {"$ref": "#/components/schemas/a.A"}
    inner = schemas["b.A"]["not"]["items"]["$ref"].rpartition("/")[2]
    assert schemas[inner] == {"items": {"$ref": f"#/components/schemas/{inner}"}}


# --- discriminators


def mapping_of(schema: Any) -> Any:
    return {
        value: ref.removeprefix("#/components/schemas/") for value, ref in schema["discriminator"]["mapping"].items()
    }


def test_a_choice_says_which_value_means_which_schema() -> None:
    choice = {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {"propertyName": "kind", "mapping": {"woof": "Dog"}},
    }
    animal = {"type": "object", "properties": {"kind": {"type": "string"}}}
    made = schema_of(with_schema(choice, Cat=animal, Dog=animal))
    assert mapping_of(made) == {"woof": "svc.Dog", "Cat": "svc.Cat"}


@pytest.mark.parametrize("version", ["2.0", "3.0.3", "3.1.0"])
def test_heirs_keep_their_values(version: str) -> None:
    place = "#/definitions/" if version == "2.0" else "#/components/schemas/"
    said = "kind" if version == "2.0" else {"propertyName": "kind"}
    schemas = {
        "Pet": {"type": "object", "properties": {"kind": {"type": "string"}}, "discriminator": said},
        "Cat": {"allOf": [{"$ref": f"{place}Pet"}, {"type": "object"}]},
        "Lion": {"allOf": [{"$ref": f"{place}Cat"}]},
        "Stone": {"type": "object"},
    }
    document = swagger(definitions=schemas) if version == "2.0" else openapi(version, components={"schemas": schemas})
    made = alone(document)["components"]["schemas"]
    assert mapping_of(made["svc.Pet"]) == {"Pet": "svc.Pet", "Cat": "svc.Cat", "Lion": "svc.Lion"}
    assert made["svc.Cat"]["allOf"][0] == {"$ref": "#/components/schemas/svc.Pet"}


def test_a_mapping_that_leads_nowhere_is_left_out() -> None:
    choice = {
        "oneOf": [{"$ref": "#/components/schemas/B"}],
        "discriminator": {"propertyName": "k", "mapping": {"x": "http://e/x.json", "b": "#/components/schemas/B"}},
    }
    merged, words = left_out(with_schema(choice, B={"type": "object"}))
    assert mapping_of(merged["components"]["schemas"]["svc.A"]) == {"b": "svc.B"}
    assert "http://e/x.json" in words


# --- operations, security, tags, links


def test_operation_ids_are_unique_everywhere() -> None:
    callback = {"cb": {"{$url}": {"post": operation(operationId="list")}}}
    document = openapi(
        paths={
            "/a": {"get": operation(operationId="list", callbacks=callback), "post": operation()},
            "/b/{id}": {"get": operation(operationId="list", parameters=[{"$ref": "#/components/parameters/Id"}])},
        },
        webhooks={"happened": {"post": operation(operationId="list")}},
        components={"parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {}}}},
    )
    merged = alone(document)
    paths = merged["paths"]
    ids = [
        paths["/svc/a"]["get"]["operationId"],
        paths["/svc/a"]["get"]["callbacks"]["cb"]["{$url}"]["post"]["operationId"],
        paths["/svc/b/{id}"]["get"]["operationId"],
        merged["webhooks"]["svc.happened"]["post"]["operationId"],
    ]
    assert sorted(ids) == ["svc_list", "svc_list_2", "svc_list_3", "svc_list_4"]
    assert paths["/svc/a"]["post"]["operationId"] == "svc_post_a"


KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}


@pytest.mark.parametrize(
    ("own", "common", "expected"),
    [
        (None, [{"k": []}], [{"svc.k": []}]),
        ([], [{"k": []}], []),
        ([{}], [{"k": []}], [{}]),
        ([{"k": [], "o": ["r"]}, {"k": []}], None, [{"svc.k": [], "svc.o": ["r"]}, {"svc.k": []}]),
        (None, [{}, {"k": []}], [{}, {"svc.k": []}]),
        (None, None, None),
    ],
)
def test_security_keeps_its_meaning(own: Any, common: Any, expected: Any) -> None:
    schemes = {"k": KEY, "o": {"type": "openIdConnect", "openIdConnectUrl": "https://e/x"}}
    fields = {} if common is None else {"security": common}
    said = {} if own is None else {"security": own}
    merged = alone(openapi(paths={"/a": {"get": operation(**said)}}, components={"securitySchemes": schemes}, **fields))
    assert merged["paths"]["/svc/a"]["get"].get("security") == expected
    assert merged["components"]["securitySchemes"] == {"svc.k": KEY, "svc.o": schemes["o"]}
    assert "security" not in merged


def test_tags_are_told_apart_and_grouped() -> None:
    first = openapi(
        paths={"/a": {"get": operation(tags=["pets", "more"]), "put": operation()}},
        tags=[{"name": "pets", "description": "d"}],
    )
    merged, _ = merged_of(source("b", openapi(tags=[{"name": "pets"}])), source("a", first))
    assert merged["tags"] == [
        {"name": "a:pets", "description": "d"},
        {"name": "a:more"},
        {"name": "a"},
        {"name": "b:pets"},
    ]
    assert merged["x-tagGroups"] == [
        {"name": "a", "tags": ["a:pets", "a:more", "a"]},
        {"name": "b", "tags": ["b:pets"]},
    ]
    assert merged["paths"]["/a/a"]["get"]["tags"] == ["a:pets", "a:more"]
    assert merged["paths"]["/a/a"]["put"]["tags"] == ["a"]


def test_links_lead_to_the_renamed_operations() -> None:
    links = {
        "by-id": {"operationId": "get"},
        "by-place": {"operationRef": "#/paths/~1b/get", "parameters": {"x": "$response.body#/x"}},
        "encoded": {"operationRef": "#/paths/%2Fb/get"},
        "abroad": {"operationRef": "https://example.com/openapi.json#/paths/~1x/get"},
        "lost": {"operationId": "nobody"},
        "lost-too": {"operationRef": "#/paths/~1b/post"},
    }
    answer = {"200": {"description": "", "links": links}}
    merged, words = left_out(
        openapi(paths={"/a": {"get": operation(responses=answer)}, "/b": {"get": operation(operationId="get")}})
    )
    assert merged["paths"]["/svc/a"]["get"]["responses"]["200"]["links"] == {
        "by-id": {"operationId": "svc_get"},
        "by-place": {"operationId": "svc_get", "parameters": {"x": "$response.body#/x"}},
        "encoded": {"operationId": "svc_get"},
        "abroad": {"operationRef": "https://example.com/openapi.json#/paths/~1x/get"},
    }
    assert "nobody" in words
    assert "~1b/post" in words


def test_a_shared_link_to_an_operation_that_is_not_listed_goes_with_its_references() -> None:
    answer = {"200": {"description": "", "links": {"l": {"$ref": "#/components/links/L"}}}}
    document = openapi(
        paths={"/api/a": {"get": operation(responses=answer)}, "/b": {"get": operation(operationId="b")}},
        components={"links": {"L": {"operationRef": "#/paths/~1b/get"}}},
    )
    merged, _ = left_out(document, base_path="/api/")
    assert merged["paths"]["/svc/a"]["get"]["responses"]["200"]["links"] == {}
    assert "links" not in merged.get("components", {})
