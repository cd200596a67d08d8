"""A build-up that a FakeControl acts out: what the live view shows, without any environment behind it.

python -m tests.support.script          look at it on this terminal
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import trio
from rich.console import Console

from hfs_appliance.cli.progress import show
from hfs_appliance.model import events
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.plan import PoolCount, VersionCount
from tests.support.control import FakeControl, ManualClock, status

WANTED: Final = {"certificates": 2, "dns": 3, "domains": 3, "httpbin": 2}
POOL: Final = 2
_LIFE: Final = ("creating", "booting", "configuring", "warm", "assigned", "warming", "serving")


@dataclass
class _Server:
    server: ServerId
    service: str | None
    age: int
    """Steps since its creation; negative: still to come."""

    @property
    def phase(self) -> str:
        last = len(_LIFE) if self.service else _LIFE.index("warm") + 1
        return _LIFE[min(max(self.age, 0), last - 1)]


class Script:
    """Steps of a build-up; each one changes the status and tells the events that belong to it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.control = FakeControl(clock=self.clock)
        roles: list[str | None] = [name for name, count in WANTED.items() for _ in range(count)]
        self._servers = [
            _Server(server=ServerId(f"small-{number + 1:04d}"), service=role, age=-1 - number // 2)
            for number, role in enumerate([*roles, *[None] * POOL])
        ]
        self.control.now = replace(status(), environment="local", converged=False, mode="sync", session="connecting")
        self.control.tell(events.ApplianceStarted(version="0.1.0", environment="local"))

    def is_done(self) -> bool:
        return self.control.now.converged

    def step(self) -> None:
        """Let everybody grow by one step."""
        self.clock.instant += seconds(0.5)
        for server in self._servers:
            server.age += 1
            if 0 <= server.age < len(_LIFE) and server.phase == _LIFE[server.age]:
                self._tell(server)
        self._count()

    def _tell(self, server: _Server) -> None:
        service = ServiceName(server.service) if server.service and server.age >= _LIFE.index("assigned") else None
        self.control.tell(
            events.PhaseChanged(
                server=server.server,
                phase=server.phase,
                before=_LIFE[max(0, server.age - 1)],
                rule=server.phase,
                words="",
                service=service,
                version=Version("1.0.0") if service else None,
                address=f"127.77.0.{int(server.server[-4:])}",
            )
        )

    def _count(self) -> None:
        there = [server for server in self._servers if server.age >= 0]
        phases = sorted({server.phase for server in there})
        serving = {name: sum(one.service == name and one.phase == "serving" for one in there) for name in WANTED}
        starting = {
            name: sum(one.service == name and one.phase in {"assigned", "warming"} for one in there) for name in WANTED
        }
        warm = sum(one.phase == "warm" for one in there)
        building = sum(one.phase in {"creating", "booting", "configuring"} for one in there)
        is_converged = serving == WANTED and warm >= POOL
        if is_converged and not self.is_done():
            self.control.tell(events.ConvergedChanged(is_converged=1, words="after 12s"))
        self.control.now = replace(
            self.control.now,
            converged=is_converged,
            mode="active",
            session="connected",
            services={
                ServiceName(name): {
                    Version("1.0.0"): VersionCount(
                        desired=want, serving=serving[name], starting=starting[name], suspect=0, draining=0
                    )
                }
                for name, want in WANTED.items()
            },
            pools={PoolName("small"): PoolCount(size=POOL, warm=min(warm, POOL), building=building)},
            servers_by_phase={phase: sum(one.phase == phase for one in there) for phase in phases},
            servers_total=len(there),
            servers_max=30,
            routed={ServiceName(name): count for name, count in serving.items()},
        )

    def lose(self) -> None:
        """Let one instance die."""
        lost = self._servers[0]
        self.control.tell(
            events.PhaseChanged(
                server=lost.server, phase="lost", before="serving", rule="dead", words="the cloud says that it is gone"
            )
        )
        self.control.tell(events.ConvergedChanged(is_converged=0, words="certificates has 1 of 2"))
        lost.age = 0
        self._count()


async def _act(step_s: float) -> None:
    script = Script()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(show, script.control, Console(highlight=False))
        while not script.is_done():
            await trio.sleep(step_s)
            script.step()
        await trio.sleep(10 * step_s)
        script.lose()
        while not script.is_done():
            await trio.sleep(step_s)
            script.step()
        await trio.sleep(4 * step_s)
        script.control.now = replace(script.control.now, mode="closing", converged=False)
        script.control.tell(events.DesiredChanged(generation=2, author="you", words="nothing is wanted"))
        await trio.sleep(6 * step_s)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(_act, 1.0)
