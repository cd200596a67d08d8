"""Properties of merging that hold for every document, made up or broken."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.swagger.merge import DocumentState, merge, prepare
from hfs_appliance.swagger.read import MAX_NODES, parse_document
from tests.support.documents import Json, merged_of, operations_of, references_in, source, the_four_services

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
NAMES = ("Pet", "Error", "constructor", "__proto__", "a b", "x-odd", "Page<Pet>")
PLACES = {"2.0": "#/definitions/", "3.0.3": "#/components/schemas/", "3.1.0": "#/components/schemas/"}

versions = st.sampled_from(sorted(PLACES))


def pointer(name: str) -> str:
    return name.replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")


def schemas(version: str) -> st.SearchStrategy[Json]:
    """Make schemas of a dialect; references lead to any of NAMES, all of which every document describes."""
    simple: list[Json] = [{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "boolean"}, {}]
    simple.append({"type": "number", "minimum": 0, "exclusiveMinimum": True} if version != "3.1.0" else {"const": 1})
    if version == "3.0.3":
        simple.append({"type": "string", "nullable": True, "example": {"$ref": "#/nothing"}})
    references = st.sampled_from(NAMES).map(lambda name: {"$ref": PLACES[version] + pointer(name)})
    return st.recursive(
        st.sampled_from(simple) | references,
        lambda inner: (
            st.builds(lambda item: {"type": "array", "items": item}, inner)
            | st.dictionaries(st.sampled_from(["$ref", "id", "default", "x-y"]), inner, max_size=2).map(
                lambda properties: {"type": "object", "properties": properties}
            )
        ),
        max_leaves=4,
    )


@st.composite
def documents(draw: st.DrawFn) -> Json:
    """Make a valid document of any dialect."""
    version = draw(versions)
    of_dialect = schemas(version)
    paths: Json = {}
    for path in draw(st.lists(st.sampled_from(["/", "/a", "/a/{id}", "/a/{id}/b", "/b/{x}/c/{y}"]), unique=True)):
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        described: Json = {"type": "string"} if version == "2.0" else {"schema": {"type": "string"}}
        parameters = [{"name": name, "in": "path", "required": True, **described} for name in names]
        paths[path] = {"parameters": parameters} if parameters else {}
        for method in draw(st.sets(st.sampled_from(METHODS), max_size=3)):
            schema = draw(of_dialect)
            media = {"schema": schema} if version == "2.0" else {"content": {"application/json": {"schema": schema}}}
            operation: Json = {"responses": {"200": {"description": "d", **media}}}
            identity = draw(st.none() | st.sampled_from(["list", "get", "list_2"]))
            paths[path][method] = operation | ({} if identity is None else {"operationId": identity})
    described_schemas = {name: draw(of_dialect) for name in NAMES}
    # A schema that is nothing but a reference could make a circle, which means nothing.
    described_schemas = {n: {"type": "object", "title": n} if "$ref" in s else s for n, s in described_schemas.items()}
    if version == "2.0":
        return {"swagger": version, "info": INFO, "paths": paths, "definitions": described_schemas}
    return {"openapi": version, "info": INFO, "paths": paths, "components": {"schemas": described_schemas}}


INFO = {"title": "T", "version": "1"}


@given(st.dictionaries(st.sampled_from(["a", "b", "a-b"]), documents(), min_size=1))
@SLOW
def test_a_merged_document_is_valid_and_loses_no_operation(services: dict[str, Json]) -> None:
    merged, _ = merged_of(*(source(name, document) for name, document in services.items()))
    expected = {(method, f"/{name}{path}") for name, each in services.items() for method, path in operations_of(each)}
    assert operations_of(merged) == expected
    listed = [merged["paths"][path][method] for method, path in expected]
    assert len({operation["operationId"] for operation in listed}) == len(expected)
    named = merged.get("components", {}).get("schemas", {})
    for reference in set(references_in(merged)) - {"#/nothing"}:
        assert reference.removeprefix("#/components/schemas/") in named


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), documents()), st.randoms(use_true_random=False))
@SLOW
def test_the_order_of_sources_does_not_matter(services: dict[str, Json], shuffler: random.Random) -> None:
    sources = [source(name, document) for name, document in services.items()]
    shuffled = copy.copy(sources)
    shuffler.shuffle(shuffled)
    assert merge(shuffled, title="T").content == merge(sources, title="T").content


@given(documents(), documents())
@SLOW
def test_what_becomes_of_a_service_does_not_depend_on_the_others(one: Json, other: Json) -> None:
    together = json.loads(merge([source("one", one), source("other", other)], title="T").content)
    alone = json.loads(merge([source("one", one)], title="T").content)
    mine = {path: item for path, item in together["paths"].items() if path.startswith("/one/")}
    assert mine == alone["paths"]
    for section, named in alone.get("components", {}).items():
        assert {n: v for n, v in together["components"][section].items() if n.startswith("one.")} == named


ODD: list[Any] = [
    None,
    True,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "#",
    "#/",
    "#/paths",
    "#/paths/~1zones/get",
    [],
    {},
    [[]],
    [None],
]
ODD += [{"$ref": "#/definitions/Domain"}, {"$ref": "#/components/schemas/Zone/allOf/1"}, {"$ref": "#/paths/~1health"}]
ODD += ["path", "query", "__proto__", ["a", "a"], {"a": 1}, {"$ref": "#/components/responses/Failure"}]
KEYS = ["$ref", "x-a", "", "a b", "/zones/{z}", "/{}", "/{a", "200", "2XX", "nullable", "$id", "é"]


def spots(node: Any) -> list[tuple[Any, Any]]:
    """Give every place of a document as (holder, key)."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [spot for key in keys for spot in [(node, key), *spots(node[key])]]


def without_defaults(node: Any) -> Any:
    """Take defaults out: the validator holds them against the schema around them, `clean` against its type only."""
    if isinstance(node, dict):
        is_schema = {"type", "allOf", "$ref"} & set(node)
        return {key: without_defaults(value) for key, value in node.items() if key != "default" or not is_schema}
    return [without_defaults(each) for each in node] if isinstance(node, list) else node


REAL = [without_defaults(parse_document(each.content or b"").root) for each in the_four_services()[:3]]


def broken(document: Json, chance: random.Random) -> Json:
    document = copy.deepcopy(document)
    for _ in range(chance.choice([1, 2, 5])):
        holder, key = chance.choice(spots(document))
        way = chance.randrange(4)
        if way == 0 and isinstance(holder, dict):
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[chance.choice(KEYS)] = holder.pop(key)
        elif way == 2:
            other, name = chance.choice(spots(document))
            holder[key] = copy.deepcopy(other[name])
        else:
            holder[key] = copy.deepcopy(chance.choice(ODD))
    return document


@given(st.sampled_from(REAL), st.randoms(use_true_random=False))
@settings(parent=SLOW, max_examples=40)
def test_a_broken_document_never_breaks_the_merge(document: Json, chance: random.Random) -> None:
    made = source("svc", broken(document, chance))
    status = merge([made], title="T").services[ServiceName("svc")]
    assert status.state in (DocumentState.CURRENT, DocumentState.MISSING)
    try:
        merged_of(made)
    except RecursionError:
        reject()  # the validator does not survive a schema that is a part of itself; it is none of our business


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@settings(parent=SLOW, max_examples=200)
def test_no_bytes_break_it(content: bytes) -> None:
    assert prepare(source("svc", content)).status.state is DocumentState.MISSING


def test_the_limit_of_values_is_kept_for_aliases_too() -> None:
    bomb = "openapi: 3.1.0\nx-0: &a0 [1, 1]\n" + "".join(f"x-{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    status = prepare(source("svc", bomb)).status
    assert f"more than {MAX_NODES} values" in status.reason
