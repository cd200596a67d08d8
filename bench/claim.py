"""A server from the warm pool beside one that is built when it is needed, with real updates and the real Puppet.

Two services grow by one instance, again and again: one takes it from a warm pool, the other from a pool of size 0, so
that its server is booted, updated and configured first. Both are measured from the decision to being in traffic. What
is not hfs's own work is told apart by what the agent logs: the stages, Puppet, and the service's own start.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measure import Spread, instant_of, read_instant
from hfs_appliance.model.instants import SECOND
from tests.support.appliance import ROOT, Appliance

ROUNDS: Final = 5
UPDATES: Final = ("/usr/bin/apt-get", "--simulate", "--quiet", "upgrade")
"""Reads all package lists and resolves them, as an upgrade does, and changes nothing on this machine."""
WITHIN_S: Final = 300

CONFIGURATION: Final = """
[environment]
name = "claim"
[registry]
[cloud]
provider = "local"
poll = "500ms"
[cloud.local]
network = "127.77.0.0/16"
boot = "2s"
[endpoint]
listen = "127.0.0.1:8080"
[admin]
listen = "127.0.0.1:8081"
[quota]
max_servers = 30
reserve = {{ remediation = "0%", rollout = "0%" }}
{pools}{services}"""
POOL: Final = """
[pool.{name}]
size = {size}
updates = [{updates}]
[pool.{name}.puppet]
directory = "puppet"
role = "base"
"""
SERVICE: Final = """
[service.{name}]
pool = "{name}"
port = 9000
puppet_role = "profile::api"
health = {{ interval = "1s" }}
[service.{name}.run]
directory = "services/dns"
command = ["python3", "{{directory}}/service.py"]
[service.{name}.version."1.0.0"]
instances = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One server's way into traffic; all in nanoseconds."""

    whole: int
    boot: int
    updates: int
    puppet: int
    start: int
    """From the start of the service's process to its first good answer."""

    @property
    def ours(self) -> int:
        """What is left for hfs itself: decisions, the registry, the agent's start and its steps."""
        return self.whole - self.boot - self.updates - self.puppet - self.start


async def run() -> Mapping[str, object]:
    """Let both services grow, one after the other."""
    if shutil.which("puppet") is None:
        raise SystemExit("bench claim needs Puppet: apt-get install --no-install-recommends puppet-agent")
    updates = ", ".join(f'"{word}"' for word in UPDATES)
    pools = "".join(POOL.format(name=name, size=size, updates=updates) for name, size in (("warm", 1), ("cold", 0)))
    services = "".join(SERVICE.format(name=name) for name in ("warm", "cold"))
    ways: dict[str, list[Way]] = {"warm": [], "cold": []}
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        source = CONFIGURATION.format(pools=pools, services=services)
        appliance = Appliance.prepare([ROOT / "dist" / "hfs"], Path(directory), source)
        try:
            appliance.start()
            for number in range(ROUNDS):
                for name, found in ways.items():
                    await appliance.converged(within_s=WITHIN_S)
                    found.append(await grow(appliance, name, 2 + number))
        finally:
            appliance.clean()
    return findings(ways)


async def grow(appliance: Appliance, service: str, count: int) -> Way:
    """Add an instance; give the way of the server that becomes it."""
    last = (await appliance.events())[-1]["seq"]
    scaled = await appliance.hfs("scale", service, str(count), "--no-wait")
    assert scaled.returncode == 0, scaled.stderr
    served = await appliance.told("phase-changed", last, within_s=WITHIN_S, service=service, phase="serving")
    server = served["fields"]["server"]
    events = await appliance.events(last)
    begun = min(
        instant_of(event)
        for event in events
        if event["kind"] == "action-started" and event["fields"]["server"] == server
    )
    log = (appliance.state / "servers" / server / "agent.log").read_text()
    return way(log, begun, instant_of(served), is_cold=service == "cold")


def way(log: str, begun: int, served: int, *, is_cold: bool) -> Way:
    """Read a server's way from its agent's log."""
    lines = [(read_instant(stamp), words) for stamp, words in re.findall(r"^(\S+Z) agent: (.*)$", log, re.MULTILINE)]
    taken = next(at for at, words in lines if words.startswith("role taken"))
    runs = list(zip(starts(lines, "Puppet begins"), starts(lines, "Puppet is done"), strict=True))
    counted = runs if is_cold else [(at, done) for at, done in runs if at >= taken]
    updates = starts(lines, "stage configuration")[0] - starts(lines, "running ")[0]
    return Way(
        whole=served - begun,
        boot=2 * SECOND if is_cold else 0,
        updates=updates if is_cold else 0,
        puppet=sum(done - at for at, done in counted),
        start=starts(lines, "healthy")[0] - starts(lines, "started ")[0],
    )


def starts(lines: Sequence[tuple[int, str]], words: str) -> list[int]:
    """Give the instants of the lines that start with some words."""
    return [at for at, line in lines if line.startswith(words)]


def findings(ways: Mapping[str, Sequence[Way]]) -> Mapping[str, object]:
    """Fold the ways: the whole and its parts."""
    told: dict[str, object] = {}
    for name, words in (("warm", "claim → serving, from a warm pool"), ("cold", "create → serving, built when needed")):
        found = ways[name]
        told[words] = Spread.of([one.whole for one in found])
        for part in ("boot", "updates", "puppet", "start", "ours"):
            told[f"{name}: {PARTS[part]}"] = Spread.of([getattr(one, part) for one in found])
    return told


PARTS: Final = {
    "boot": "boot (2 s by configuration)",
    "updates": f"updates ({' '.join(UPDATES)})",
    "puppet": "Puppet",
    "start": "the service's own start",
    "ours": "hfs itself",
}
