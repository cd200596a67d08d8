"""A small domain registry: an ordinary web service that knows nothing of who hosts it.

HOST, PORT, VERSION and API_KEY come from the environment. Each instance keeps its domains in memory, for itself alone.
The document, Swagger 2.0, is at /swagger.json; nothing but the standard library is needed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8001"))
VERSION = os.environ.get("VERSION", "1.0.0")
API_KEY = os.environ.get("API_KEY", "demo")

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.(com|net|org)")
PRICES = {"com": 12.5, "net": 11, "org": 9.9}
BODY_LIMIT = 64 * 1024

Fields = Mapping[str, str]
Answer = tuple[int, Any]


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def registration(name: str, registrant: str, years: int) -> dict[str, Any]:
    expires = datetime.now(UTC).date() + timedelta(days=365 * years)
    return {"name": name, "registrant": registrant, "expires": expires.isoformat()}


DOMAINS = {name: registration(name, "Example Ltd", 1) for name in ("example.com", "example.net", "example.org")}


def health(_query: Fields, _form: Fields) -> Answer:
    return 200, {"status": "up", "version": VERSION, "instance": f"{HOST}:{PORT}"}


def list_domains(query: Fields, _form: Fields) -> Answer:
    wanted = query["tld"].split(",") if "tld" in query else list(PRICES)
    limit = whole_number(query, "limit", default=50, largest=1000)
    found = [entry for name, entry in sorted(DOMAINS.items()) if name.rpartition(".")[2] in wanted]
    return 200, {"total": len(found), "domains": found[:limit]}


def register_domain(_query: Fields, form: Fields) -> Answer:
    name, registrant = form.get("name", ""), form.get("registrant", "")
    check_name(name)
    if not registrant:
        raise Refusal(400, "registrant is missing")
    entry = registration(name, registrant, whole_number(form, "years", default=1, largest=10))
    if DOMAINS.setdefault(name, entry) is not entry:
        raise Refusal(409, f"{name} is registered already")
    return 201, entry


def get_domain(_query: Fields, _form: Fields, name: str) -> Answer:
    if name not in DOMAINS:
        raise Refusal(404, f"{name} is not registered")
    return 200, DOMAINS[name]


def delete_domain(_query: Fields, _form: Fields, name: str) -> Answer:
    if DOMAINS.pop(name, None) is None:
        raise Refusal(404, f"{name} is not registered")
    return 204, None


def get_availability(_query: Fields, _form: Fields, name: str) -> Answer:
    check_name(name)
    return 200, {"name": name, "available": name not in DOMAINS, "price": PRICES[name.rpartition(".")[2]]}


def check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise Refusal(400, f"{name!r} is not a name under .com, .net or .org")


def whole_number(fields: Fields, key: str, *, default: int, largest: int) -> int:
    text = fields.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= largest):
        raise Refusal(400, f"{key} must be a number from 1 to {largest}")
    return int(text)


ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., Answer]], ...] = (
    ("GET", re.compile("/health"), health),
    ("GET", re.compile("/domains"), list_domains),
    ("POST", re.compile("/domains"), register_domain),
    ("GET", re.compile("/domains/([^/]+)"), get_domain),
    ("DELETE", re.compile("/domains/([^/]+)"), delete_domain),
    ("GET", re.compile("/domains/([^/]+)/availability"), get_availability),
    ("GET", re.compile(r"/swagger\.json"), lambda _query, _form: (200, DOCUMENT)),
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
        form = self.read_form()
        target = urlsplit(self.path)
        matches = [(method, match, call) for method, path, call in ROUTES if (match := path.fullmatch(target.path))]
        for method, match, call in matches:
            if method == self.command:
                if method != "GET" and self.headers.get("X-Api-Key") != API_KEY:
                    raise Refusal(401, "the header X-Api-Key does not carry a valid key")
                return call(single_values(target.query), form, *map(unquote, match.groups()))
        raise Refusal(405 if matches else 404, f"no {self.command} at {target.path}")

    def read_form(self) -> Fields:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > BODY_LIMIT:
            self.close_connection = True
            raise Refusal(413, f"a body needs a Content-Length of at most {BODY_LIMIT}")
        return single_values(self.rfile.read(int(length)).decode("utf-8", "replace"))

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


def single_values(encoded: str) -> Fields:
    return {key: values[-1] for key, values in parse_qs(encoded, keep_blank_values=True).items()}


def failure(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"$ref": "#/definitions/Error"}}


SERVED_BY = {
    "X-Instance": {"type": "string", "description": "The instance that answered, host:port."},
    "X-Version": {"type": "string", "description": "Its version."},
}


def success(description: str, definition: str) -> dict[str, Any]:
    return {"description": description, "schema": {"$ref": f"#/definitions/{definition}"}, "headers": SERVED_BY}


def fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


NAME_IN_PATH = {"name": "name", "in": "path", "required": True, "type": "string", "description": "Domain name."}

DOCUMENT: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Domains", "version": VERSION, "description": "Registers domain names, in memory."},
    "basePath": "/",
    "consumes": ["application/x-www-form-urlencoded"],
    "produces": ["application/json"],
    "tags": [{"name": "domains", "description": "Registered domain names."}, {"name": "operations"}],
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
    "paths": {
        "/health": {
            "get": {
                "operationId": "health",
                "summary": "Tell whether this instance works.",
                "tags": ["operations"],
                "responses": {"200": success("It does.", "Health")},
            }
        },
        "/domains": {
            "get": {
                "operationId": "listDomains",
                "summary": "List the registered domains by name.",
                "tags": ["domains"],
                "parameters": [
                    {
                        "name": "tld",
                        "in": "query",
                        "type": "array",
                        "items": {"type": "string", "enum": list(PRICES)},
                        "collectionFormat": "csv",
                        "description": "Only these top-level domains.",
                    },
                    {"name": "limit", "in": "query", "type": "integer", "minimum": 1, "maximum": 1000, "default": 50},
                ],
                "responses": {
                    "200": success("The first `limit` of them.", "DomainList"),
                    "400": failure("A parameter is wrong."),
                },
            },
            "post": {
                "operationId": "registerDomain",
                "summary": "Register a domain.",
                "tags": ["domains"],
                "security": [{"key": []}],
                "parameters": [
                    {
                        "name": "name",
                        "in": "formData",
                        "required": True,
                        "type": "string",
                        "pattern": f"^{NAME.pattern}$",
                    },
                    {"name": "registrant", "in": "formData", "required": True, "type": "string", "minLength": 1},
                    {"name": "years", "in": "formData", "type": "integer", "minimum": 1, "maximum": 10, "default": 1},
                ],
                "responses": {
                    "201": success("Registered.", "Domain"),
                    "400": failure("A field is wrong."),
                    "401": failure("No valid key."),
                    "409": failure("The name is taken."),
                },
            },
        },
        "/domains/{name}": {
            "parameters": [NAME_IN_PATH],
            "get": {
                "operationId": "getDomain",
                "summary": "Show a registered domain.",
                "tags": ["domains"],
                "responses": {"200": success("The domain.", "Domain"), "404": failure("Not registered.")},
            },
            "delete": {
                "operationId": "deleteDomain",
                "summary": "Give a domain up.",
                "tags": ["domains"],
                "security": [{"key": []}],
                "responses": {
                    "204": {"description": "Gone.", "headers": SERVED_BY},
                    "401": failure("No valid key."),
                    "404": failure("Not registered."),
                },
            },
        },
        "/domains/{name}/availability": {
            "get": {
                "operationId": "getAvailability",
                "summary": "Tell whether a name is free, and its price a year.",
                "tags": ["domains"],
                "parameters": [NAME_IN_PATH],
                "responses": {"200": success("Free or not.", "Availability"), "400": failure("Not a name we sell.")},
            }
        },
    },
    "definitions": {
        "Domain": fields(
            name={"type": "string", "example": "example.com"},
            registrant={"type": "string"},
            expires={"type": "string", "format": "date"},
        ),
        "DomainList": fields(
            total={"type": "integer", "minimum": 0},
            domains={"type": "array", "items": {"$ref": "#/definitions/Domain"}},
        ),
        "Availability": fields(
            name={"type": "string"},
            available={"type": "boolean"},
            price={"type": "number", "minimum": 0, "exclusiveMinimum": True, "description": "Euro a year."},
        ),
        "Health": fields(status={"type": "string"}, version={"type": "string"}, instance={"type": "string"}),
        "Error": fields(code={"type": "integer"}, message={"type": "string"}),
    },
}


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server = Server((HOST, PORT), Handler)
    except OSError as error:
        print(f"domains: cannot listen on {HOST}:{PORT}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"domains {VERSION} listens on http://{HOST}:{PORT}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
