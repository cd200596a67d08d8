"""A small DNS zone editor: an ordinary web service that knows nothing of who hosts it.

HOST, PORT and VERSION come from the environment. Each instance keeps its zones in memory, for itself alone.
The document, OpenAPI 3.0, is at /openapi.json; nothing but the standard library is needed.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8002"))
VERSION = os.environ.get("VERSION", "1.0.0")

LABEL = "[a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"{LABEL}(\.{LABEL})*")
BODY_LIMIT = 64 * 1024

Query = Mapping[str, list[str]]
Answer = tuple[int, Any]


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


RECORD_IDS = itertools.count(1)
ZONES: dict[str, dict[str, Any]] = {}
RECORDS: dict[str, dict[str, Any]] = {}


def health(_query: Query, _body: Any) -> Answer:
    return 200, {"status": "up", "version": VERSION, "instance": f"{HOST}:{PORT}"}


def list_zones(_query: Query, _body: Any) -> Answer:
    return 200, [zone for _, zone in sorted(ZONES.items())]


def create_zone(_query: Query, body: Any) -> Answer:
    zone = check_fields(body, {"name": is_name}, {"ttl": is_ttl, "comment": is_comment})
    zone = {"name": zone["name"], "ttl": zone.get("ttl") or 3600, "comment": zone.get("comment")}
    if ZONES.setdefault(zone["name"], zone) is not zone:
        raise Refusal(409, f"zone {zone['name']} exists already")
    RECORDS[zone["name"]] = {}
    return 201, zone


def get_zone(_query: Query, _body: Any, zone: str) -> Answer:
    if zone not in ZONES:
        raise Refusal(404, f"no zone {zone}")
    return 200, ZONES[zone]


def delete_zone(_query: Query, _body: Any, zone: str) -> Answer:
    if ZONES.pop(zone, None) is None:
        raise Refusal(404, f"no zone {zone}")
    RECORDS.pop(zone, None)
    return 204, None


def list_records(query: Query, _body: Any, zone: str) -> Answer:
    wanted = query.get("type", list(RECORD_FIELDS))
    if unknown := set(wanted) - set(RECORD_FIELDS):
        raise Refusal(400, f"no record type {min(unknown)!r}")
    return 200, [record for record in list(records_of(zone).values()) if record["type"] in wanted]


def create_record(_query: Query, body: Any, zone: str) -> Answer:
    records = records_of(zone)
    kind = body.get("type") if isinstance(body, dict) else None
    if not isinstance(kind, str) or kind not in RECORD_FIELDS:
        raise Refusal(400, f"type must be one of {', '.join(RECORD_FIELDS)}")
    common: Checks = {"type": is_text, "name": is_owner}
    record = {"id": str(next(RECORD_IDS)), **check_fields(body, {**common, **RECORD_FIELDS[kind]}, {"ttl": is_ttl})}
    records[record["id"]] = {"ttl": None} | record
    return 201, records[record["id"]]


def get_record(_query: Query, _body: Any, zone: str, record: str) -> Answer:
    if record not in records_of(zone):
        raise Refusal(404, f"no record {record} in {zone}")
    return 200, RECORDS[zone][record]


def delete_record(_query: Query, _body: Any, zone: str, record: str) -> Answer:
    if records_of(zone).pop(record, None) is None:
        raise Refusal(404, f"no record {record} in {zone}")
    return 204, None


def records_of(zone: str) -> dict[str, Any]:
    if zone not in RECORDS:
        raise Refusal(404, f"no zone {zone}")
    return RECORDS[zone]


Checks = Mapping[str, Callable[[Any], bool]]


def check_fields(body: Any, required: Checks, optional: Checks) -> dict[str, Any]:
    checks = {**required, **optional}
    if not isinstance(body, dict):
        raise Refusal(400, "the body must be a JSON object")
    wrong = [key for key in required if key not in body]
    wrong += [key for key, value in body.items() if key not in checks or not checks[key](value)]
    if wrong:
        raise Refusal(400, f"wrong or missing: {', '.join(sorted(wrong))}")
    return body


def is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def is_name(value: Any) -> bool:
    return is_text(value) and NAME.fullmatch(value) is not None


def is_owner(value: Any) -> bool:
    return value == "@" or is_name(value)


def is_comment(value: Any) -> bool:
    return value is None or is_text(value)


def is_ttl(value: Any) -> bool:
    return value is None or (type(value) is int and 0 < value <= 604_800)


def is_preference(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 65_535


def is_ipv4(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(IPv4Address(value)) == value
    except ValueError:
        return False


RECORD_FIELDS: dict[str, Checks] = {
    "A": {"address": is_ipv4},
    "MX": {"exchange": is_name, "preference": is_preference},
    "TXT": {"text": is_text},
}

ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., Answer]], ...] = (
    ("GET", re.compile("/health"), health),
    ("GET", re.compile("/zones"), list_zones),
    ("POST", re.compile("/zones"), create_zone),
    ("GET", re.compile("/zones/([^/]+)"), get_zone),
    ("DELETE", re.compile("/zones/([^/]+)"), delete_zone),
    ("GET", re.compile("/zones/([^/]+)/records"), list_records),
    ("POST", re.compile("/zones/([^/]+)/records"), create_record),
    ("GET", re.compile("/zones/([^/]+)/records/([^/]+)"), get_record),
    ("DELETE", re.compile("/zones/([^/]+)/records/([^/]+)"), delete_record),
    ("GET", re.compile(r"/openapi\.json"), lambda _query, _body: (200, DOCUMENT)),
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    timeout = 120

    def answer(self) -> None:
        try:
            status, content = self.route()
        except Refusal as refusal:
            status, content = refusal.status, {"code": refusal.status, "message": str(refusal)}
        self.reply(status, content)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 (the base class wants these names)

    def route(self) -> Answer:
        body = self.read_body()
        target = urlsplit(self.path)
        matches = [(method, match, call) for method, path, call in ROUTES if (match := path.fullmatch(target.path))]
        for method, match, call in matches:
            if method == self.command:
                return call(parse_qs(target.query), body, *map(unquote, match.groups()))
        raise Refusal(405 if matches else 404, f"no {self.command} at {target.path}")

    def read_body(self) -> Any:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > BODY_LIMIT:
            self.close_connection = True
            raise Refusal(413, f"a body needs a Content-Length of at most {BODY_LIMIT}")
        content = self.rfile.read(int(length))
        try:
            return json.loads(content) if content else None
        except (ValueError, RecursionError):
            raise Refusal(400, "the body is not JSON") from None

    def reply(self, status: int, content: Any) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("X-Instance", f"{HOST}:{PORT}")
        self.send_header("X-Version", VERSION)
        if content is not None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.close_connection = True
        self.reply(code, {"code": code, "message": message or explain or "bad request"})

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own also asks the DNS for the host's name


def schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def content(of: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": of}}


def success(description: str, of: dict[str, Any] | None = None) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Instance", "X-Version")}
    return {"description": description, "headers": headers} | ({"content": content(of)} if of else {})


def operation(name: str, summary: str, *failures: int, **answers: Any) -> dict[str, Any]:
    """Describe an operation; `ok`, `created` or `gone` is its answer, the rest goes into it as it is."""
    codes = {"ok": "200", "created": "201", "gone": "204"}
    responses = {code: answers.pop(key) for key, code in codes.items() if key in answers}
    responses |= {str(code): {"$ref": "#/components/responses/Failure"} for code in failures}
    tag = "operations" if name == "health" else "records" if "Record" in name else "zones"
    return {"operationId": name, "summary": summary, "tags": [tag], "responses": responses, **answers}


def record_schema(kind: str, **properties: Any) -> dict[str, Any]:
    own = {"type": {"type": "string", "enum": [kind]}, **properties}
    return {
        "allOf": [schema("RecordBase"), {"type": "object", "required": list(own), "properties": own}],
        "title": f"{kind} record",
    }


TTL = {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 604_800, "nullable": True}
HOST_NAME = {"type": "string", "maxLength": 255, "example": "www"}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "DNS", "version": VERSION, "description": "Edits zones and their records, in memory."},
    "servers": [{"url": "/"}],
    "tags": [{"name": "zones"}, {"name": "records", "description": "Of one zone."}, {"name": "operations"}],
    "paths": {
        "/health": {
            "get": operation("health", "Tell whether this instance works.", ok=success("It does.", schema("Health")))
        },
        "/zones": {
            "get": operation(
                "listZones", "List the zones.", ok=success("All.", {"type": "array", "items": schema("Zone")})
            ),
            "post": operation(
                "createZone",
                "Make a zone.",
                400,
                409,
                requestBody={"required": True, "content": content(schema("NewZone"))},
                created=success("Made.", schema("Zone"))
                | {"links": {"zone": {"operationId": "getZone", "parameters": {"zone": "$response.body#/name"}}}},
            ),
        },
        "/zones/{zone}": {
            "parameters": [{"$ref": "#/components/parameters/Zone"}],
            "get": operation("getZone", "Show a zone.", 404, ok=success("The zone.", schema("Zone"))),
            "delete": operation("deleteZone", "Remove a zone and its records.", 404, gone=success("Gone.")),
        },
        "/zones/{zone}/records": {
            "parameters": [{"$ref": "#/components/parameters/Zone"}],
            "get": operation(
                "listRecords",
                "List the records of a zone.",
                400,
                404,
                parameters=[
                    {
                        "name": "type",
                        "in": "query",
                        "description": "Only these types.",
                        "schema": {"type": "array", "items": {"type": "string", "enum": list(RECORD_FIELDS)}},
                    }
                ],
                ok=success("In the order they were made.", {"type": "array", "items": schema("Record")}),
            ),
            "post": operation(
                "createRecord",
                "Add a record.",
                400,
                404,
                requestBody={"required": True, "content": content(schema("Record"))},
                created=success("Added.", schema("Record")),
            ),
        },
        "/zones/{zone}/records/{record}": {
            "parameters": [
                {"$ref": "#/components/parameters/Zone"},
                {"name": "record", "in": "path", "required": True, "schema": {"type": "string"}},
            ],
            "get": operation("getRecord", "Show a record.", 404, ok=success("The record.", schema("Record"))),
            "delete": operation("deleteRecord", "Remove a record.", 404, gone=success("Gone.")),
        },
    },
    "components": {
        "headers": {
            "X-Instance": {"description": "The instance that answered.", "schema": {"type": "string"}},
            "X-Version": {"description": "Its version.", "schema": {"type": "string"}},
        },
        "parameters": {"Zone": {"name": "zone", "in": "path", "required": True, "schema": {"type": "string"}}},
        "responses": {"Failure": {"description": "Refused, with the reason.", "content": content(schema("Error"))}},
        "schemas": {
            "NewZone": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "maxLength": 255, "example": "example.com"},
                    "ttl": TTL | {"default": 3600},
                    "comment": {"type": "string", "minLength": 1, "maxLength": 255, "nullable": True},
                },
            },
            "Zone": {"allOf": [schema("NewZone"), {"type": "object", "required": ["name", "ttl", "comment"]}]},
            "RecordBase": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "id": {"type": "string", "readOnly": True},
                    "name": HOST_NAME | {"description": "Within the zone; @ is the zone itself."},
                    "ttl": TTL | {"description": "Seconds; null: the zone's."},
                },
            },
            "Record": {
                "oneOf": [schema("AddressRecord"), schema("MailRecord"), schema("TextRecord")],
                "discriminator": {
                    "propertyName": "type",
                    "mapping": {"A": "#/components/schemas/AddressRecord", "MX": "MailRecord", "TXT": "TextRecord"},
                },
            },
            "AddressRecord": record_schema("A", address={"type": "string", "format": "ipv4", "example": "192.0.2.1"}),
            "MailRecord": record_schema(
                "MX", exchange=HOST_NAME, preference={"type": "integer", "minimum": 0, "maximum": 65_535}
            ),
            "TextRecord": record_schema("TXT", text={"type": "string", "minLength": 1, "maxLength": 255}),
            "Health": {
                "type": "object",
                "required": ["status", "version", "instance"],
                "properties": {key: {"type": "string"} for key in ("status", "version", "instance")},
            },
            "Error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
            },
        },
    },
}


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    create_zone({}, {"name": "example.com", "comment": "Reserved by RFC 2606"})
    create_record({}, {"type": "A", "name": "www", "address": "192.0.2.1"}, "example.com")
    try:
        server = Server((HOST, PORT), Handler)
    except OSError as error:
        print(f"dns: cannot listen on {HOST}:{PORT}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"dns {VERSION} listens on http://{HOST}:{PORT}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
