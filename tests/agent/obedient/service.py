"""A web service for tests of the agent: it does what it is asked to, good or bad.

GET /health (200, or what /become/<status> set), /environment, /arguments, /die, /fork (a child keeps the port open).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    health = int(os.environ.get("HEALTH", "200"))

    def do_GET(self) -> None:
        _, verb, *rest = self.path.split("/")
        answer: object = None
        status = 200
        if verb == "health":
            status = Handler.health
        elif verb == "become":
            Handler.health = int(rest[0])
        elif verb == "environment":
            answer = dict(os.environ)
        elif verb == "arguments":
            answer = [*sys.argv[1:], str(Path.cwd())]
        elif verb == "die":
            os._exit(3)
        elif verb == "fork":
            os.set_inheritable(server.fileno(), True)  # noqa: FBT003  # the standard library's signature
            subprocess.Popen(["/bin/sleep", "600"], close_fds=False)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


sys.stdout.write("service begins\n")
sys.stdout.flush()
server = ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
server.serve_forever()
