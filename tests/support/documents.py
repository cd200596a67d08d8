"""Documents for tests of the swagger room: small ones made in place, real ones, and what to look at in a merged one."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from openapi_spec_validator import OpenAPIV31SpecValidator

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.swagger.merge import Merged, ServiceDocument, merge

ROOT: Final = Path(__file__).parents[2]
GOLDEN: Final = ROOT / "tests" / "golden" / "swagger"

Json = dict[str, Any]


def source(service: str, document: Any, **fields: Any) -> ServiceDocument:
    """Make a source from a document: bytes as they are, a text as YAML, anything else as JSON."""
    content = document if isinstance(document, bytes) else document.encode() if isinstance(document, str) else None
    return ServiceDocument(
        service=ServiceName(service),
        versions=(Version("1.0.0"),),
        content=json.dumps(document).encode() if content is None else content,
        **fields,
    )


def merged_of(*sources: ServiceDocument) -> tuple[Json, Merged]:
    """Merge, check that the result is valid and whole, and give it as values too."""
    merged = merge(sources, title="All services")
    document = json.loads(merged.content)
    errors = [str(error.message)[:300] for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert errors == []
    return document, merged


def alone(document: Any, **fields: Any) -> Json:
    """Merge one document as the service `svc`, of which nothing may be left out."""
    result, merged = merged_of(source("svc", document, **fields))
    assert merged.services[ServiceName("svc")].left_out == ()
    return result


def left_out(document: Any, **fields: Any) -> tuple[Json, str]:
    """Merge one document as the service `svc`; give what came of it and what was left out, in words."""
    result, merged = merged_of(source("svc", document, **fields))
    return result, "\n".join(merged.services[ServiceName("svc")].left_out)


def openapi(version: str = "3.1.0", **fields: Any) -> Json:
    """Make a document of OpenAPI 3."""
    return {"openapi": version, "info": {"title": "T", "version": "1"}, "paths": {}, **fields}


def swagger(**fields: Any) -> Json:
    """Make a document of Swagger 2.0."""
    return {"swagger": "2.0", "info": {"title": "T", "version": "1"}, "paths": {}, **fields}


def operation(**fields: Any) -> Json:
    """Make an operation."""
    return {"responses": {"200": {"description": "Fine."}}, **fields}


def with_schema(schema: Any, version: str = "3.1.0", **schemas: Any) -> Json:
    """Make a document with the schema `A`, and others."""
    return openapi(version, components={"schemas": {"A": schema, **schemas}})


def schema_of(document: Any, name: str = "A") -> Any:
    """Merge one document and give what became of one of its schemas."""
    return alone(document)["components"]["schemas"][f"svc.{name}"]


def the_four_services() -> list[ServiceDocument]:
    """Give the documents of the example services and of httpbin."""

    def own(service: str) -> Any:
        return runpy.run_path(str(ROOT / "configs" / "services" / service / "service.py"))["DOCUMENT"]

    return [
        source("domains", own("domains")),
        source("dns", own("dns")),
        source("certificates", own("certificates")),
        source("httpbin", (GOLDEN / "httpbin.json").read_bytes()),
    ]


def operations_of(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Give (method, path) of every operation that a document lists."""
    methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    return {(method, path) for path, item in document["paths"].items() for method in methods & set(item)}


def references_in(node: Any) -> Iterator[str]:
    """Give every `$ref` that is a text, wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from references_in(value)
