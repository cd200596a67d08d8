"""The commands, pointed at something that is not hfs's admin API: the endpoint, or any other web server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from hfs_appliance.cli.main import cli


class Foreign(BaseHTTPRequestHandler):
    """Answers everything alike."""

    def _answer(self) -> None:
        status, kind, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - the base class names them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def foreign() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Foreign) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, "application/problem+json", b'{"title": "no such service", "status": 404}'), "404 Not Found"),
        ((404, "application/problem+json", b'{"type": "about:blank", "detail": "d", "kind": "k"}'), "404 Not Found"),
        ((502, "application/problem+json", b"[]"), "502 Bad Gateway"),
        ((302, "text/html", b"elsewhere"), "302 Found"),
        ((200, "text/html", b"<h1>It works!</h1>"), "200 OK"),
    ],
)
@pytest.mark.parametrize("command", ["status", "status --json", "servers", "events --json", "kill small-0001"])
def test_what_is_not_hfs_is_called_so(foreign: HTTPServer, command: str, answer: object, said: str) -> None:
    foreign.answer = answer  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{foreign.server_port}"
    done = CliRunner().invoke(cli, ["--api", url, *command.split()])
    assert (done.exit_code, done.stdout) == (69, "")
    words, advice = done.stderr.splitlines()
    assert words == f"what answers at {url} is not hfs's admin API ({said})"
    assert "[admin] listen" in advice


def test_json_of_somebody_else_is_no_report(foreign: HTTPServer) -> None:
    foreign.answer = (200, "application/json", b'{"status": "ok"}')  # type: ignore[attr-defined]
    done = CliRunner().invoke(cli, ["--api", f"http://127.0.0.1:{foreign.server_port}", "status"])
    assert done.exit_code == 69
    assert "is not hfs's admin API (not what this version of hfs knows)" in done.stderr
