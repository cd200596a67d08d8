"""A small register of certificates: an ordinary web service that knows nothing of who hosts it.

HOST, PORT and VERSION come from the environment. Each instance keeps its certificates in memory, for itself alone.
The document, OpenAPI 3.1 in YAML, is at /openapi.yaml; nothing but the standard library is needed.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8003"))
VERSION = os.environ.get("VERSION", "1.0.0")

NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
STATES = ("valid", "revoked")
BODY_LIMIT = 64 * 1024

Query = Mapping[str, list[str]]
Answer = tuple[int, Any]


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


SERIALS = itertools.count(1)
CERTIFICATES: dict[str, dict[str, Any]] = {}


def health(_query: Query, _body: Any) -> Answer:
    return 200, {"status": "up", "version": VERSION, "instance": f"{HOST}:{PORT}"}


def list_certificates(query: Query, _body: Any) -> Answer:
    wanted = query.get("state", list(STATES))
    if unknown := set(wanted) - set(STATES):
        raise Refusal(400, f"no state {min(unknown)!r}")
    return 200, [entry for entry in list(CERTIFICATES.values()) if entry["state"] in wanted]


def issue_certificate(_query: Query, body: Any) -> Answer:
    if not isinstance(body, dict) or not set(body) <= {"names", "days", "labels", "notify"}:
        raise Refusal(400, "the body must be an object of names, days, labels and notify")
    names, days, labels, notify = body.get("names"), body.get("days", 90), body.get("labels", {}), body.get("notify")
    if not isinstance(names, list) or not 1 <= len(names) <= 100 or not all(map(is_name, names)):
        raise Refusal(400, "names must be 1 to 100 host names")
    if type(days) is not int or not 1 <= days <= 398:
        raise Refusal(400, "days must be a number from 1 to 398")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise Refusal(400, "labels must be an object of strings")
    if notify is not None and not (isinstance(notify, str) and notify.startswith(("http://", "https://"))):
        raise Refusal(400, "notify must be null or an http URL")
    now = datetime.now(UTC).replace(microsecond=0)
    serial = f"{next(SERIALS):08x}"
    entry = {
        "serial": serial,
        "names": names,
        "state": "valid",
        "not_before": now.isoformat(),
        "not_after": (now + timedelta(days=days)).isoformat(),
        "revoked_at": None,
        "labels": labels,
    }
    CERTIFICATES[serial] = entry
    if notify is not None:
        threading.Thread(target=tell, args=(notify, json.dumps(entry).encode()), daemon=True).start()
    return 201, entry


def get_certificate(_query: Query, _body: Any, serial: str) -> Answer:
    if serial not in CERTIFICATES:
        raise Refusal(404, f"no certificate {serial}")
    return 200, CERTIFICATES[serial]


def revoke_certificate(_query: Query, _body: Any, serial: str) -> Answer:
    _, entry = get_certificate({}, None, serial)
    if entry["state"] == "revoked":
        raise Refusal(409, f"{serial} is revoked already")
    revoked_at = datetime.now(UTC).replace(microsecond=0).isoformat()
    CERTIFICATES[serial] = entry | {"state": "revoked", "revoked_at": revoked_at}
    return 200, CERTIFICATES[serial]


def tell(url: str, content: bytes) -> None:
    try:
        urlopen(Request(url, content, {"Content-Type": "application/json"}), timeout=5).close()  # noqa: S310 (checked)
    except (OSError, ValueError, HTTPException) as error:
        print(f"certificates: cannot notify {url!r}: {error}", file=sys.stderr, flush=True)


def is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 253 and NAME.fullmatch(value) is not None


ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., Answer]], ...] = (
    ("GET", re.compile("/health"), health),
    ("GET", re.compile("/certificates"), list_certificates),
    ("POST", re.compile("/certificates"), issue_certificate),
    ("GET", re.compile("/certificates/([^/]+)"), get_certificate),
    ("POST", re.compile("/certificates/([^/]+)/revocation"), revoke_certificate),
    ("GET", re.compile(r"/openapi\.yaml"), lambda _query, _body: (200, DOCUMENT)),
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

    do_GET = do_POST = answer  # noqa: N815 (the base class wants these names)

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
        is_yaml = isinstance(content, str)
        body = (content if is_yaml else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("X-Instance", f"{HOST}:{PORT}")
        self.send_header("X-Version", VERSION)
        self.send_header("Content-Type", "application/yaml" if is_yaml else "application/json")
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


DOCUMENT: str = """\
openapi: 3.1.0
info:
  title: Certificates
  version: VERSION
  summary: A register of certificates
  description: Keeps which certificates were issued and revoked, in memory.
servers:
  - url: /
tags:
  - name: certificates
    description: Issued certificates, valid or revoked.
  - name: operations
paths:
  /health:
    get:
      operationId: health
      summary: Tell whether this instance works.
      tags: [operations]
      responses:
        "200":
          description: It does.
          headers: &served-by
            X-Instance: {$ref: "#/components/headers/Instance"}
            X-Version: {$ref: "#/components/headers/Version"}
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Health"}
  /certificates:
    get:
      operationId: list
      summary: List the certificates in the order they were issued.
      tags: [certificates]
      parameters:
        - name: state
          in: query
          description: Only those in these states.
          schema:
            type: array
            items: {$ref: "#/components/schemas/State"}
      responses:
        "200":
          description: All that match.
          headers: *served-by
          content:
            application/json:
              schema:
                type: array
                items: {$ref: "#/components/schemas/Certificate"}
        "400": {$ref: "#/components/responses/Failure"}
    post:
      operationId: issue
      summary: Issue a certificate.
      tags: [certificates]
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Order"}
            examples:
              labelled:
                summary: Labels are free text, whatever they look like.
                value:
                  names: [www.example.com, "*.example.org"]
                  labels: {$ref: "#/components/schemas/Order", on: "no"}
      callbacks:
        issued:
          "{$request.body#/notify}":
            post:
              operationId: notifyIssued
              summary: Sent once, to the URL in `notify`, when that is given.
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/Certificate"}
              responses:
                default: {description: Any answer will do.}
      responses:
        "201":
          description: Issued.
          headers: *served-by
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Certificate"}
          links:
            revoke:
              operationRef: "#/paths/~1certificates~1{serial}~1revocation/post"
              parameters: {serial: "$response.body#/serial"}
        "400": {$ref: "#/components/responses/Failure"}
  /certificates/{serial}:
    parameters:
      - $ref: "#/components/parameters/Serial"
    get:
      operationId: get
      summary: Show a certificate.
      tags: [certificates]
      responses:
        "200":
          description: The certificate.
          headers: *served-by
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Certificate"}
        "404": {$ref: "#/components/responses/Failure"}
  /certificates/{serial}/revocation:
    parameters:
      - $ref: "#/components/parameters/Serial"
    post:
      operationId: revoke
      summary: Revoke a certificate, for good.
      tags: [certificates]
      responses:
        "200":
          description: Revoked.
          headers: *served-by
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Certificate"}
        "404": {$ref: "#/components/responses/Failure"}
        "409": {$ref: "#/components/responses/Failure"}
components:
  headers:
    Instance: {description: "The instance that answered, host:port.", schema: {type: string}}
    Version: {description: Its version., schema: {type: string}}
  parameters:
    Serial: {name: serial, in: path, required: true, schema: {type: string, examples: ["00000001"]}}
  responses:
    Failure:
      description: Refused, with the reason.
      content:
        application/json:
          schema: {$ref: "#/components/schemas/Error"}
  schemas:
    State: {type: string, enum: [valid, revoked]}
    Names:
      type: array
      minItems: 1
      maxItems: 100
      items: {type: string, maxLength: 253}
    Labels:
      description: Free text by free keys.
      type: object
      additionalProperties: {type: string}
      default: {}
    Order:
      type: object
      required: [names]
      additionalProperties: false
      properties:
        names: {$ref: "#/components/schemas/Names"}
        days: {type: integer, exclusiveMinimum: 0, maximum: 398, default: 90}
        labels: {$ref: "#/components/schemas/Labels"}
        notify: {type: [string, "null"], format: uri, description: Gets the certificate by POST.}
    Certificate:
      type: object
      required: [serial, names, state, not_before, not_after, revoked_at, labels]
      properties:
        serial: {type: string}
        names: {$ref: "#/components/schemas/Names"}
        state: {$ref: "#/components/schemas/State"}
        not_before: {type: string, format: date-time, examples: ["2026-01-31T12:00:00+00:00"]}
        not_after: {type: string, format: date-time}
        revoked_at: {type: [string, "null"], format: date-time}
        labels: {$ref: "#/components/schemas/Labels"}
    Health:
      type: object
      required: [status, version, instance]
      properties:
        status: {const: up}
        version: {type: string}
        instance: {type: string}
    Error:
      type: object
      required: [code, message]
      properties:
        code: {type: integer}
        message: {type: string}
""".replace("VERSION", json.dumps(VERSION), 1)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    issue_certificate({}, {"names": ["example.com", "www.example.com"]})
    try:
        server = Server((HOST, PORT), Handler)
    except OSError as error:
        print(f"certificates: cannot listen on {HOST}:{PORT}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"certificates {VERSION} listens on http://{HOST}:{PORT}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
