"""Debian's Puppet server for tests: on a port of loopback, with everything that it writes in one directory.

It is a JVM with Ruby in it: half a minute of processor time until it answers, and 1 GiB.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.model.recipe import PuppetServer
from tests.support.appliance import free_addresses

SERVER: Final = "HFS_PUPPET_SERVER"
"""Environment variable that asks for the tests with it (`./build.sh test --puppet`)."""
JAR: Final = Path("/usr/share/puppetserver/puppetserver.jar")
DEBIANS: Final = Path("/etc/puppet/puppetserver")
STARTS_WITHIN_S: Final = 600

CONF: Final = """
jruby-puppet: {{
    ruby-load-path: [/usr/lib/puppetserver/ruby/vendor_ruby]
    gem-home: {place}/var/jruby-gems
    gem-path: [${{jruby-puppet.gem-home}}, "/usr/lib/puppetserver/vendored-jruby-gems"]
    server-conf-dir: {place}/conf
    server-code-dir: {place}/code
    server-var-dir: {place}/var
    server-run-dir: {place}/run
    server-log-dir: {place}/log
    max-active-instances: 1
}}
"""
WEB: Final = 'webserver: {{ client-auth: want, ssl-host: "127.0.0.1", ssl-port: {port} }}\n'
PUPPET: Final = """
[main]
ssldir = {place}/ssl
[server]
cadir = {place}/ca
certname = localhost
dns_alt_names = localhost
autosign = true
ca = true
"""


@asynccontextmanager
async def puppet_server(place: Path, site: str) -> AsyncIterator[PuppetServer]:
    """Have a server whose environment `production` is the manifest `site`; it signs every certificate."""
    (address,) = free_addresses(1)
    port = int(address.rpartition(":")[2])
    running = _start(place, port, site)
    try:
        with trio.fail_after(STARTS_WITHIN_S):
            while not await trio.to_thread.run_sync(_answers, port):
                assert running.poll() is None, (place / "server.log").read_text()[-5000:]
                await trio.sleep(0.5)
        yield PuppetServer(host=f"localhost:{port}")
    finally:
        running.kill()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(running.wait)


def _start(place: Path, port: int, site: str) -> subprocess.Popen[bytes]:
    conf, manifests = place / "conf.d", place / "code" / "environments" / "production" / "manifests"
    for part in (conf, manifests, *(place / name for name in ("conf", "var", "run", "log"))):
        part.mkdir(parents=True)
    (manifests / "site.pp").write_text(site)
    for name in ("auth.conf", "ca.conf", "web-routes.conf", "metrics.conf"):
        (conf / name).write_bytes((DEBIANS / "conf.d" / name).read_bytes())
    (conf / "puppetserver.conf").write_text(CONF.format(place=place))
    (conf / "webserver.conf").write_text(WEB.format(port=port))
    (place / "conf" / "puppet.conf").write_text(PUPPET.format(place=place))
    java = ["java", "-Xms256m", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-Djruby.lib=/usr/share/jruby/lib"]
    argv = [*java, "-jar", str(JAR), "--config", str(conf), "--bootstrap-config", str(DEBIANS / "services.d")]
    with (place / "server.log").open("wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=place)


def _answers(port: int) -> bool:
    """Tell whether it takes requests: it listens only once it can."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain) as connection,
        ):
            connection.sendall(b"GET /status/v1/simple HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return b"200" in connection.recv(64)
    except OSError:
        return False
