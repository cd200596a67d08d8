"""A crowd comes to a service that scales itself: from 100 to 1,500 requests a second at once, and away again.

On the local environment, with wrk as the crowd (Debian package `wrk`). The service answers at once, so that the machine
is not what is measured: seconds from the step until the instances that it needs serve, requests that failed, and
seconds until it is small again. Servers build in 4 s here, and six wait in the pool.

`cut off` are connections that nginx closed while they were idle, at a reload, when wrk had just sent a request over
them: a client may send such a request again (RFC 9112, 9.3.1), wrk does not. nginx has a remedy from 1.27.4 on
(`keepalive_min_timeout`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio

from tests.support.appliance import ROOT, Appliance

HERE: Final = Path(__file__).parent
CALM, CROWD = 100, 1_500
EACH: Final = 100
BEFORE_S, DURING_S = 20, 75
SMALL_WITHIN_S: Final = 240
SOURCE: Final = f"""
schema = 1

[environment]
name = "crowd"

[registry]

[cloud]
provider = "local"

[cloud.local]
network = "127.77.0.0/16"
boot = "2s"
updates = "1s"
configuration = "1s"

[endpoint]
listen = "127.0.0.1:8080"

[admin]
listen = "127.0.0.1:8081"

[quota]
max_servers = 40

[guard]
destroy_budget = {{ percent = "100%", min = 20, max = 100, window = "10s" }}

[pool.small]
size = 6

[service.quick]
pool = "small"
port = 9000
document = ""
drain = "5s"
run = {{ command = ["{sys.executable}", "{HERE / "answer.py"}"] }}
health = {{ interval = "1s" }}
version = {{ "1.0.0" = {{ instances = 2 }} }}

[service.quick.autoscale]
min = 2
max = 20
rps_per_instance = {EACH}
up = {{ max = "900%", per = "30s" }}
down = {{ window = "30s", max = "50%", per = "10s" }}
"""


async def run() -> dict[str, object]:
    """Let the crowd come and go once."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("the crowd is wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        appliance = Appliance.prepare([ROOT / "dist" / "hfs"], Path(directory), SOURCE)
        try:
            appliance.start()
            await appliance.converged(within_s=180)
            return await measure(appliance, wrk)
        finally:
            appliance.clean()


@dataclass(slots=True)
class Watch:
    """How many instances serve, from when to when."""

    appliance: Appliance
    serving: int = 0
    wanted: int = 0
    most: int = 0
    _looked: trio.Event = field(default_factory=trio.Event)

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            status = await self.appliance.get("/status")
            self.serving = sum(count["serving"] for count in status["services"]["quick"].values())
            self.wanted = status["scaling"]["quick"]["instances"]
            self.most = max(self.most, self.serving)
            self._looked.set()
            self._looked = trio.Event()
            await trio.sleep(0.2)

    async def until(self, least: int, most: int, within_s: float) -> float:
        """Give the seconds until so many serve, and as many as are wanted."""
        began = trio.current_time()
        with trio.move_on_after(within_s):
            while not (least <= self.serving <= most and self.serving == self.wanted):
                await self._looked.wait()
            return round(trio.current_time() - began, 1)
        return float("nan")


async def measure(appliance: Appliance, wrk: str) -> dict[str, object]:
    """Give what was seen before, during and after the crowd."""
    found: dict[str, object] = {}
    watch = Watch(appliance)
    url = f"{appliance.endpoint}/quick/"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.follow)
        found[f"{CALM} requests/s before"] = await crowd(wrk, url, CALM, BEFORE_S)
        grown: list[float] = []

        async def note() -> None:
            # Within the tolerance of 10 %, 14 instances are enough for 1,500 requests a second.
            grown.append(await watch.until(CROWD * 9 // (EACH * 10), 20, DURING_S))

        async with trio.open_nursery() as step:
            step.start_soon(note)
            found[f"{CROWD:,} requests/s"] = await crowd(wrk, url, CROWD, DURING_S)
        found["step → as many serve as are needed (s)"] = grown[0]
        found["instances, at most"] = watch.most
        seconds: list[float] = []
        reports: list[Mapping[str, Any]] = []

        async def shrink() -> None:
            seconds.append(await watch.until(2, 2, SMALL_WITHIN_S))

        async with trio.open_nursery() as step:
            step.start_soon(shrink)
            while not seconds:
                reports.append(await crowd(wrk, url, CALM, 10))
        found["the crowd has gone → 2 instances (s)"] = seconds[0]
        found[f"{CALM} requests/s while it shrinks"] = added(reports)
        nursery.cancel_scope.cancel()
    return found


async def crowd(wrk: str, url: str, rate: int, seconds: int) -> Mapping[str, Any]:
    """Have wrk ask so many times a second, for so long."""
    command = [
        wrk,
        "-t2",
        f"-c{rate * 11 // 100}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        "-s",
        str(HERE / "crowd.lua"),
        url,
    ]
    done = await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT)
    report = json.loads(done.stdout.decode().splitlines()[-1])
    return {"requests/s": round(report["requests"] / report["seconds"]), **report}


def added(reports: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Put the reports of crowds that followed each other together."""
    counts = ("requests", "seconds", "no answer", "cut off", "errors")
    total = {key: sum(report[key] for report in reports) for key in counts}
    rate = round(total["requests"] / max(1, total["seconds"]))
    worst = {key: max((report[key] for report in reports), default=0.0) for key in ("p95_ms", "p99_ms")}
    return {"requests/s": rate, **total, **worst}
