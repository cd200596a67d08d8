"""The example services do exactly what their documents say: every operation is called, every answer is compared.

Answers are held against the converted document, so that this also shows that converting keeps the meaning.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trio
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate

from hfs_appliance.adapters.http import HttpSpecSource
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.swagger.merge import ServiceDocument, merge
from hfs_appliance.swagger.read import parse_document

SERVICES: Final = Path(__file__).parents[2] / "configs" / "services"
DOCUMENTS: Final = {
    "domains": "/swagger.json",
    "dns": "/openapi.json",
    "certificates": "/openapi.yaml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request and the status that it must get."""

    method: str
    path: str
    status: int
    json: Any = None
    form: Mapping[str, str] | None = None
    key: str | None = None

    def headers(self) -> Mapping[str, str]:
        return {} if self.key is None else {"X-Api-Key": self.key}


def get(path: str, status: int = 200) -> Call:
    return Call(method="GET", path=path, status=status)


def delete(path: str, status: int = 204, key: str | None = None) -> Call:
    return Call(method="DELETE", path=path, status=status, key=key)


def post(path: str, body: Any, status: int = 201) -> Call:
    return Call(method="POST", path=path, status=status, json=body)


def register(status: int = 201, key: str | None = "demo", **form: str) -> Call:
    return Call(method="POST", path="/domains", status=status, form=form, key=key)


CALLS: Final = {
    "domains": (
        get("/health"),
        get("/domains"),
        get("/domains?tld=com,org&limit=1"),
        get("/domains?limit=many", 400),
        register(name="hfs.org", registrant="We", years="2"),
        register(400, name="no name", registrant="We"),
        register(400, name="more.org"),
        register(401, key=None, name="more.org", registrant="We"),
        register(409, name="hfs.org", registrant="They"),
        get("/domains/hfs.org"),
        get("/domains/nobody.org", 404),
        get("/domains/hfs.org/availability"),
        get("/domains/free.net/availability"),
        get("/domains/free.example/availability", 400),
        delete("/domains/hfs.org", 401),
        delete("/domains/hfs.org", key="demo"),
        delete("/domains/hfs.org", 404, key="demo"),
    ),
    "dns": (
        get("/health"),
        get("/zones"),
        post("/zones", {"name": "example.net", "ttl": 60, "comment": None}),
        post("/zones", {"name": "example.net"}, 409),
        post("/zones", {"name": "example.org", "ttl": 0}, 400),
        post("/zones", ["example.org"], 400),
        get("/zones/example.net"),
        get("/zones/nowhere", 404),
        post("/zones/example.net/records", {"type": "A", "name": "www", "address": "192.0.2.7", "ttl": None}),
        post("/zones/example.net/records", {"type": "MX", "name": "@", "exchange": "mail", "preference": 10}),
        post("/zones/example.net/records", {"type": "TXT", "name": "_dmarc", "text": "v=DMARC1"}),
        post("/zones/example.net/records", {"type": "A", "name": "www", "address": "192.0.2.700"}, 400),
        post("/zones/example.net/records", {"type": "AAAA", "name": "www"}, 400),
        post("/zones/nowhere/records", {"type": "A", "name": "www", "address": "192.0.2.7"}, 404),
        get("/zones/example.net/records"),
        get("/zones/example.net/records?type=MX&type=TXT"),
        get("/zones/example.net/records?type=AAAA", 400),
        get("/zones/nowhere/records", 404),
        get("/zones/example.com/records/1"),
        get("/zones/example.com/records/99", 404),
        delete("/zones/example.com/records/1"),
        delete("/zones/example.com/records/1", 404),
        delete("/zones/example.net"),
        delete("/zones/example.net", 404),
    ),
    "certificates": (
        get("/health"),
        get("/certificates"),
        get("/certificates?state=revoked&state=valid"),
        get("/certificates?state=lost", 400),
        post("/certificates", {"names": ["*.example.org"], "labels": {"$ref": "#/any", "on": "no"}, "notify": None}),
        post("/certificates", {"names": []}, 400),
        post("/certificates", {"names": ["example.org"], "days": 0}, 400),
        get("/certificates/00000002"),
        get("/certificates/ffffffff", 404),
        Call(method="POST", path="/certificates/00000002/revocation", status=200),
        Call(method="POST", path="/certificates/00000002/revocation", status=409),
        Call(method="POST", path="/certificates/ffffffff/revocation", status=404),
    ),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def line_of(process: trio.Process) -> str:
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        chunk = await process.stdout.receive_some()
        assert chunk, f"the service ended with {await process.wait()}"
        line += chunk
    return line.decode()


@asynccontextmanager
async def running(service: str, version: str = "2.3.4", port: int = 0) -> AsyncIterator[tuple[trio.Process, str]]:
    """Start a service as its agent would; give its process and its base URL."""
    port = port or free_port()
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "VERSION": version}
    command = [sys.executable, str(SERVICES / service / "service.py")]
    with trio.fail_after(20):
        process = await trio.lowlevel.open_process(command, stdout=-1, env=environment)
        try:
            assert await line_of(process) == f"{service} {version} listens on http://127.0.0.1:{port}\n"
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


@dataclass(slots=True)
class Book:
    """A service's document, merged alone, and which answers of it were seen."""

    document: Mapping[str, Any]
    mount: str
    seen: set[tuple[str, str, str]] = field(default_factory=set)

    def described(self) -> set[tuple[str, str, str]]:
        return {
            (method, path, status)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if isinstance(operation, dict)
            for status in operation["responses"]
        }

    def check(self, call: Call, answer: httpx.Response) -> None:
        target = self.mount + call.path.partition("?")[0]
        paths = [path for path in self.document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), target)]
        assert len(paths) == 1, target
        operation = self.document["paths"][paths[0]][call.method.lower()]
        described = self._resolved(operation["responses"][str(call.status)])
        self.seen.add((call.method.lower(), paths[0], str(call.status)))
        for name in described.get("headers", {}):
            assert name in answer.headers
        if "content" not in described:
            assert answer.content == b""
            return
        media = described["content"][answer.headers["Content-Type"]]
        schema = {"allOf": [media["schema"]], "components": self.document["components"]}
        Draft202012Validator(schema).validate(answer.json())

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        *_, section, name = node["$ref"].split("/")
        found: Mapping[str, Any] = self.document["components"][section][name]
        return found


@pytest.mark.parametrize("service", sorted(CALLS))
async def test_every_operation_answers_as_the_document_says(service: str) -> None:
    async with running(service) as (_, url), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        content = await HttpSpecSource().fetch(url + DOCUMENTS[service])
        merged = merge([ServiceDocument(service=ServiceName(service), content=content)], title="One service")
        book = Book(document=json.loads(merged.content), mount=f"/{service}")
        for call in CALLS[service]:
            answer = await client.request(
                call.method, call.path, json=call.json, data=call.form, headers=call.headers()
            )
            assert answer.status_code == call.status, (call, answer.text)
            assert answer.headers["X-Instance"] == url.removeprefix("http://")
            assert answer.headers["X-Version"] == "2.3.4"
            book.check(call, answer)
        assert book.seen == book.described()


@pytest.mark.parametrize("service", sorted(CALLS))
async def test_the_documents_are_valid_as_they_are(service: str) -> None:
    async with running(service) as (_, url), httpx.AsyncClient(trust_env=False) as client:
        root = parse_document((await client.get(url + DOCUMENTS[service])).content).root
        assert root["info"]["version"] == "2.3.4"
        validate(dict(root))


@pytest.mark.parametrize("service", sorted(CALLS))
async def test_unknown_things_are_refused_and_the_connection_goes_on(service: str) -> None:
    async with running(service) as (_, url), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for method, path, status in (("GET", "/nothing", 404), ("POST", "/health", 405), ("PUT", "/health", 501)):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (status, status)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"x"

        assert (await client.post("/health", content=chunks())).status_code == 413
        assert (await client.get("/health")).json() == {
            "status": "up",
            "version": "2.3.4",
            "instance": url.removeprefix("http://"),
        }


@pytest.mark.parametrize("service", sorted(CALLS))
async def test_it_ends_at_once_when_it_is_told_to(service: str) -> None:
    async with running(service) as (process, url), httpx.AsyncClient(trust_env=False) as client:
        await client.get(url + "/health")  # a connection stays open
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(30):
            assert await process.wait() == 0


@pytest.mark.parametrize("service", sorted(CALLS))
async def test_a_taken_port_is_said_clearly(service: str) -> None:
    async with running(service) as (_, url):
        port = url.rpartition(":")[2]
        environment = {**os.environ, "HOST": "127.0.0.1", "PORT": port}
        second = await trio.run_process(
            [sys.executable, str(SERVICES / service / "service.py")],
            env=environment,
            check=False,
            capture_stdout=True,
            capture_stderr=True,
        )
    assert second.returncode == 1
    assert second.stderr.decode() == f"{service}: cannot listen on 127.0.0.1:{port}: Address already in use\n"


async def test_certificates_notifies_as_its_callback_says() -> None:
    received = trio.Event()
    bodies = []

    async def listen(stream: trio.SocketStream) -> None:
        request = b""
        while not request.endswith(b"}}"):
            request += await stream.receive_some()
        bodies.append(json.loads(request.partition(b"\r\n\r\n")[2]))
        await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        received.set()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    notify = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/issued"
    async with (
        running("certificates") as (_, url),
        httpx.AsyncClient(trust_env=False) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(trio.serve_listeners, listen, listeners)
        answer = await client.post(url + "/certificates", json={"names": ["a.example.org"], "notify": notify})
        await received.wait()
        nursery.cancel_scope.cancel()
    assert bodies == [answer.json()]
