"""Merging: the four services' document word for word, what one bad document does to the others, and stable bytes."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from dataclasses import replace
from typing import Any

import pytest

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.swagger.grammar import Dialect
from hfs_appliance.swagger.merge import DocumentState, Prepared, ServiceDocument, assemble, merge, prepare
from hfs_appliance.swagger.read import parse_document
from tests.support.documents import (
    GOLDEN,
    merged_of,
    openapi,
    operation,
    operations_of,
    references_in,
    source,
    the_four_services,
    with_schema,
)

GOOD = openapi(paths={"/a": {"get": operation(tags=["t"])}})

BAD_INPUTS = {
    "nothing": b"",
    "an error page": b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    "cut off": b'{"openapi": "3.1.0", "paths": {"/a": {"get',
    "null": b"null",
    "deep": b'{"openapi": "3.1.0", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    "bomb": b"openapi: 3.1.0\na: &a [x]\n" + b"".join(b"b%d: &a [*a,*a,*a,*a,*a,*a,*a,*a]\n" % n for n in range(20)),
    "1.2": b'{"swaggerVersion": "1.2", "apis": []}',
    "9.9.9": b'{"openapi": "9.9.9"}',
    "binary": bytes(range(256)),
    "a list": b"[1, 2]",
    "reference": json.dumps(with_schema({"$ref": "file:///etc/passwd"})).encode(),
}
STRANGE_INPUTS = {
    "nothing but a version": {"openapi": "3.1.0"},
    "wrong types": {
        "openapi": "3.0.0",
        "info": [],
        "paths": {"/a": {"get": 7}, "/b": None},
        "components": "x",
        "tags": {},
    },
    "nginx": openapi(paths={"/x; } location / { return 200; }": {"get": operation()}}),
    "null everywhere": {"swagger": "2.0", "paths": {"/a": {"get": {"responses": {"200": None}, "parameters": [None]}}}},
    "odd parameters": {
        "swagger": "2.0",
        "paths": {"/a": {"get": {"parameters": [{"in": "moon", "name": 1}, "x", {}]}}},
    },
    "odd schemas": with_schema({"type": "int", "minLength": -1, "allOf": [], "properties": [], "multipleOf": 0}),
    "loop": openapi(paths={"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}}),
    "callback loop": openapi(
        paths={"/a": {"post": operation(callbacks={"c": {"{$url}": {"$ref": "#/paths/~1a"}}})}},
    ),
}


def test_the_four_services_word_for_word() -> None:
    document, merged = merged_of(*the_four_services())
    written = json.dumps(document, indent=1) + "\n"
    golden = GOLDEN / "merged.json"
    if os.environ.get("HFS_WRITE_GOLDEN"):
        golden.write_text(written)
    assert written == golden.read_text()
    assert merged.operations == 98


def test_no_operation_of_the_four_services_is_lost() -> None:
    sources = the_four_services()
    document, merged = merged_of(*sources)
    expected = set()
    for each in sources:
        root = parse_document(each.content or b"").root
        expected |= {(method, f"/{each.service}{path}") for method, path in operations_of(root)}
    assert operations_of(document) == expected
    assert merged.operations == len(expected)
    states = {name: (status.state, status.operations) for name, status in merged.services.items()}
    assert states == {
        "certificates": (DocumentState.CURRENT, 5),
        "dns": (DocumentState.CURRENT, 9),
        "domains": (DocumentState.CURRENT, 6),
        "httpbin": (DocumentState.CURRENT, 78),
    }


def test_every_reference_of_the_four_services_resolves() -> None:
    document, _ = merged_of(*the_four_services())
    # One is no reference: the example of `certificates` that looks like one, and must stay as it was written.
    assert "#/components/schemas/Order" in set(references_in(document))
    for reference in set(references_in(document)) - {"#/components/schemas/Order"}:
        _, _, section, name = reference.split("/")
        assert name in document["components"][section]


def test_the_order_of_services_does_not_matter() -> None:
    sources = the_four_services()
    assert len({merge(order, title="T").content for order in itertools.permutations(sources)}) == 1


def test_the_etag_changes_with_the_content_and_with_nothing_else() -> None:
    sources = the_four_services()
    first, second = merge(sources, title="T"), merge(sources, title="T")
    assert first == second
    assert first.digest == hashlib.sha256(first.content).hexdigest()
    assert first.etag == f'"{first.digest[:32]}"'
    other = merge([replace(sources[0], versions=(Version("2"),)), *sources[1:]], title="T")
    assert other.etag != first.etag


def test_services_prepared_before_are_put_together_as_if_they_were_new() -> None:
    sources = the_four_services()
    kept: dict[ServiceDocument, Prepared] = {each: prepare(each) for each in sources}
    sources[0] = source("domains", GOOD)
    again = [kept.get(each) or prepare(each) for each in sources]
    assert assemble(again, title="T") == merge(sources, title="T")


def test_a_service_comes_once() -> None:
    with pytest.raises(AssertionError, match="once only"):
        merge([source("a", GOOD), source("a", GOOD)], title="T")


@pytest.mark.parametrize("name", sorted(BAD_INPUTS))
def test_a_bad_document_hurts_nobody_else(name: str) -> None:
    good = source("good", GOOD)
    document, merged = merged_of(good, source("bad", BAD_INPUTS[name]))
    assert operations_of(document) == {("get", "/good/a")}
    status = merged.services[ServiceName("bad")]
    assert (status.state, status.operations) == (DocumentState.MISSING, 0)
    assert document["x-hfs-status"]["bad"]["reason"] == status.reason != ""
    assert {"name": "bad", "description": f"No operations are listed: {status.reason}."} in document["tags"]
    assert {"name": "bad", "tags": ["bad"]} in document["x-tagGroups"]
    only, _ = merged_of(good)
    assert document["paths"] == only["paths"]


@pytest.mark.parametrize("name", sorted(BAD_INPUTS))
def test_the_last_good_document_stays_and_is_marked(name: str) -> None:
    last_good = json.dumps(GOOD).encode()
    document, merged = merged_of(source("svc", BAD_INPUTS[name], last_good=last_good))
    fresh, _ = merged_of(source("svc", last_good))
    assert document["paths"] == fresh["paths"]
    assert document["x-hfs-status"]["svc"]["state"] == "stale"
    assert merged.services[ServiceName("svc")].reason != ""


@pytest.mark.parametrize("name", sorted(STRANGE_INPUTS))
def test_an_invalid_document_is_not_useless(name: str) -> None:
    document, merged = merged_of(source("svc", STRANGE_INPUTS[name]))
    assert merged.services[ServiceName("svc")].state is DocumentState.CURRENT
    assert document["x-hfs-status"]["svc"]["state"] == "current"


def test_what_was_left_out_is_named() -> None:
    _, merged = merged_of(source("svc", STRANGE_INPUTS["wrong types"]))
    assert merged.services[ServiceName("svc")].left_out == (
        "info is no info",
        "paths/~1a/get is no operation",
        "paths/~1b is no path-item",
        "components is no components",
        "tags is no list",
    )


def test_a_service_that_cannot_be_reached_and_one_without_a_document() -> None:
    unreachable = ServiceDocument(service=ServiceName("far"), reason="http://127.0.0.1:1/x: answered 500")
    without = ServiceDocument(service=ServiceName("mute"))
    document, merged = merged_of(unreachable, without)
    assert [status.state for status in merged.services.values()] == [DocumentState.MISSING, DocumentState.NONE]
    assert document["x-hfs-status"]["far"]["reason"] == "http://127.0.0.1:1/x: answered 500"
    assert "reason" not in document["x-hfs-status"]["mute"]
    assert document["paths"] == {}


def test_no_services_make_a_valid_document() -> None:
    document, merged = merged_of()
    assert (document["paths"], merged.operations, document["info"]["title"]) == ({}, 0, "All services")


def test_the_result_can_be_merged_again() -> None:
    _, merged = merged_of(*the_four_services())
    assert parse_document(merged.content).dialect is Dialect.OPENAPI_3_1
    again, once_more = merged_of(source("all", merged.content))
    assert once_more.operations == merged.operations
    assert again["x-hfs-status"]["all"].get("left_out", []) == []


def test_text_of_any_kind_survives() -> None:
    odd: Any = "ä 漢 \x00 \ud800 </script> ${x} {{ y }}"
    document, _ = merged_of(source("svc", openapi(paths={"/a": {"get": operation(summary=odd)}})))
    assert document["paths"]["/svc/a"]["get"]["summary"] == odd
