"""Of two appliances on a real ensemble the one that leads is killed in the midst of its work: how soon the other acts.

ZooKeeper runs as three servers, servers are those of the local provider. The leader gets kill -9 as soon as it has told
that it begins to claim, to delete, or to claim for a new version; the killed one is started again and stands by for the
next round. What is measured runs from the kill; the registry takes up to the session timeout and one tick to notice.
*Finished* is when all is as desired and the next leader says so; *left over* are servers beyond those wanted then.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.measure import Spread
from tests.support.appliance import LOCAL, ROOT, Appliance, Json, free_addresses
from tests.support.zookeeper import TICK_MS, ensemble

ROUNDS: Final = 5
SESSION_S: Final = 4
SERVICE: Final = "dns"
INSTANCES: Final = 3
FINISHED_WITHIN_S: Final = 180
OTHERS: Final = 7
"""Servers of the other services, and the pool's."""


@dataclass(slots=True)
class Rounds:
    """What the rounds of one kind of kill showed; nanoseconds."""

    noticed: list[int] = field(default_factory=list)
    active: list[int] = field(default_factory=list)
    acted: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    left_over: int = 0

    def figures(self) -> Mapping[str, object]:
        """Give what an operator would ask."""
        acted = Spread.of(self.acted) if self.acted else None
        return {
            "rounds": len(self.finished),
            "takes over p50, max (s)": _pair(Spread.of(self.noticed)),
            "has seen everything p50, max (s)": _pair(Spread.of(self.active)),
            "first action p50, max (s)": _pair(acted) if acted is not None else "",
            "with something left to do": len(self.acted),
            "finished p50, max (s)": _pair(Spread.of(self.finished)),
            "left over": self.left_over,
        }


async def run() -> dict[str, object]:
    """Kill the leader so often in each of the ways."""
    findings: dict[str, object] = {"session timeout + tick (s)": SESSION_S + TICK_MS / 1000}
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        async with ensemble(Path(directory)) as servers:
            one = Appliance.prepare([ROOT / "dist" / "hfs"], Path(directory), source(servers.hosts, Path(directory)))
            admin, endpoint = free_addresses(2)
            state = Path(directory) / "second"
            two = replace(one, state=state, admin=f"http://{admin}/api/v1", endpoint=f"http://{endpoint}")
            pair = Pair({one.admin: (), two.admin: ("--admin", admin, "--endpoint", endpoint)}, one, two)
            try:
                one.start()
                await one.converged(within_s=180)
                await pair.start_the_other()
                for name, begin in WAYS.items():
                    findings[f"killed {name}"] = (await pair.play(begin)).figures()
            finally:
                one.clean()
                two.clean()
    return findings


def source(hosts: tuple[str, ...], directory: Path) -> str:
    """Write the local environment for an ensemble, with servers that are quick and common to both appliances."""
    named = ", ".join(f'"{host}"' for host in hosts)
    text = LOCAL.read_text().replace("[registry]\n", f"[registry]\nhosts = [{named}]\n")
    text = text.replace('session_timeout = "6s"', f'session_timeout = "{SESSION_S}s"')
    text = text.replace('boot = "2s"', 'boot = "100ms"').replace('= "1s"    ', '= "0s"    ')
    text = text.replace("[cloud.local]\n", f"[cloud.local]\ndirectory = '{directory / 'state' / 'servers'}'\n")
    start, end = text.index("[service.httpbin]"), text.index("[service.domains]")  # it takes a while to install
    rollout = f'[service.{SERVICE}.rollout]\nretain_old = "0s"\n\n'
    return text[:start] + text[end:].replace(f"[service.{SERVICE}.version.", f"{rollout}[service.{SERVICE}.version.")


@dataclass(slots=True)
class Pair:
    """Two appliances, of which one leads."""

    options: Mapping[str, tuple[str, ...]]
    """By the address of an appliance's API."""
    leader: Appliance
    other: Appliance

    async def start_the_other(self) -> None:
        """Start the one that does not run, and wait until it sees the whole environment."""
        self.other.start(*self.options[self.other.admin])
        await self.other.until(lambda status: status["mode"] == "standby" and status["converged"], within_s=120)

    async def play(self, begin: Callable[[Appliance], Awaitable[None]]) -> Rounds:
        """Kill whoever leads again and again, each time that it has begun something."""
        found = Rounds()
        for _ in range(ROUNDS):
            last = (await self.other.events())[-1]["seq"]
            await begin(self.leader)
            killed_at = datetime.now().astimezone()
            await self.leader.end(signal.SIGKILL)
            self.leader, self.other = self.other, self.leader
            await self._follow(found, last, killed_at)
            await self.start_the_other()
            await restore(self.leader)
        return found

    async def _follow(self, found: Rounds, last: int, killed_at: datetime) -> None:
        leader = self.leader
        noticed = await leader.told("mode-changed", last, mode="sync")
        active = await leader.told("mode-changed", noticed["seq"], mode="active")
        await leader.until(is_finished, within_s=FINISHED_WITHIN_S)
        found.finished.append(_between(killed_at, datetime.now().astimezone()))
        acted = [event for event in await leader.events(active["seq"]) if event["kind"] == "action-started"]
        found.noticed.append(_since(killed_at, noticed))
        found.active.append(_since(killed_at, active))
        found.acted.extend(_since(killed_at, event) for event in acted[:1])
        status = await leader.get("/status")
        wanted = sum(count["desired"] for count in status["services"][SERVICE].values())
        found.left_over += len(await leader.get("/servers")) - OTHERS - wanted


async def restore(leader: Appliance) -> None:
    """Have the service's usual number of instances again."""
    versions = (await leader.get("/status"))["services"][SERVICE]
    version = next(version for version, count in versions.items() if count["desired"])
    done = await leader.confirmed("scale", SERVICE, str(INSTANCES), "--version", version, "--no-wait")
    assert done.returncode == 0, done.stderr
    await leader.until(is_finished, within_s=FINISHED_WITHIN_S)


async def claims(leader: Appliance) -> None:
    """Break servers, and wait until the first is being replaced."""
    last = (await leader.events())[-1]["seq"]
    found = await leader.get("/servers")
    for server in [server["server"] for server in found if server.get("service") == SERVICE][:2]:
        await leader.post(f"/servers/{server}/kill")
    await leader.told("action-started", last, action="claim", service=SERVICE)


async def deletes(leader: Appliance) -> None:
    """Ask for fewer instances, and wait until the first is being deleted."""
    last = (await leader.events())[-1]["seq"]
    done = await leader.confirmed("scale", SERVICE, "1", "--no-wait")  # before any upgrade: there is one version
    assert done.returncode == 0, done.stderr
    await leader.told("action-started", last, action="delete")


async def upgrades(leader: Appliance) -> None:
    """Ask for another version, and wait until the first instance of it is claimed."""
    last = (await leader.events())[-1]["seq"]
    number = max(int(version.rpartition(".")[2]) for version in (await leader.get("/status"))["services"][SERVICE])
    done = await leader.hfs("upgrade", SERVICE, f"1.0.{number + 1}", "--no-wait")
    assert done.returncode == 0, done.stderr
    await leader.told("action-started", last, action="claim", service=SERVICE)


WAYS: Final[Mapping[str, Callable[[Appliance], Awaitable[None]]]] = {
    "mid-claim": claims,
    "mid-delete": deletes,
    "mid-upgrade": upgrades,
}


def is_finished(status: Json) -> bool:
    """Tell whether all is as desired, one version alone serves, and whoever says so leads."""
    versions = status["services"][SERVICE].values()
    is_one = sum(bool(count["desired"] or count["serving"]) for count in versions) == 1
    return bool(status["converged"]) and status["mode"] == "active" and is_one


def _since(began: datetime, event: Json) -> int:
    return _between(began, datetime.fromisoformat(event["at"]))


def _between(began: datetime, ended: datetime) -> int:
    return round((ended - began).total_seconds() * 1e9)


def _pair(spread: Spread) -> str:
    return f"{spread.ms_p50 / 1000:.2f}, {spread.ms_max / 1000:.2f}"
