"""hfs is killed in the midst of building an environment, and started again: does it finish, is anything there twice?

The environment is that of bench/bootstrap.py at its first size: a network, a security group, a key pair, a server
group, 3 proxies, 4 services of 5 instances, a pool of 5, a load balancer. The kills are spread over the whole of a
bootstrap as it goes undisturbed, from the start of the process on: one in each of as many parts as there are kills,
where in it the dice say; every other one by the time that has passed, the others by the calls of the cloud's API that
have been answered, for most of those come within two seconds. After each kill the same command is run again; then the
cloud's API is asked what there is, for the whole project; then all of it is destroyed, and the API is asked what is
left.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import trio

from bench.bootstrap import FIRST, PROXIES, SERVICES, Site, begin, finished, site
from bench.measure import percentile

KILLS: Final = int(os.environ.get("HFS_BENCH_KILLS", "100"))
SEED: Final = int(os.environ.get("HFS_BENCH_SEED", "1"))
ENDS_WITHIN_S: Final = 900
SERVERS: Final = FIRST * (len(SERVICES) + 1) + PROXIES
WANTED: Final[Mapping[str, int]] = {
    "servers": SERVERS,
    "ports": SERVERS,
    "networks": 1,
    "security groups": 1,
    "load balancers": 1,
    "server groups": 1,
}


@dataclass(slots=True)
class Outcome:
    """What came of the kills."""

    kills: int = 0
    wanted: Counter[str] = field(default_factory=Counter)
    """What there was after a bootstrap that nobody disturbed."""
    reruns_s: list[float] = field(default_factory=list)
    """Of those that finished."""
    twice: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    stuck: int = 0
    """Environments whose rerun or destruction did not come to its end."""
    at: Counter[str] = field(default_factory=Counter)
    """How far the killed ones had come."""

    def figures(self) -> Mapping[str, object]:
        """Give what an operator would ask."""
        return {
            "kills": self.kills,
            **{f"of them {words}": count for words, count in sorted(self.at.items())},
            "reruns that finished": len(self.reruns_s),
            "rerun p50 (s)": percentile(self.reruns_s, 0.5) if self.reruns_s else "",
            "rerun max (s)": max(self.reruns_s, default=""),
            "there twice": self.twice.total(),
            "not there": self.lacking.total(),
            "left after destroy": self.left.total(),
            "did not end": self.stuck,
        }


async def run() -> Mapping[str, object]:
    """Kill so often; an environment in which something went wrong is left behind for a new one."""
    outcome, dice = Outcome(), random.Random(SEED)
    parts = list(range(KILLS))
    dice.shuffle(parts)
    places = [(part + dice.random()) / KILLS for part in parts]
    whole_s, whole_calls = 0.0, 0
    while outcome.kills < KILLS:
        async with site(0.0) as found:
            calls = found.cloud.proxy.counts
            if not whole_s:
                whole_s = await timed(found, "bootstrap")
                whole_calls = calls["well"]
                outcome.wanted = Counter(await found.left())
                assert WANTED.items() <= outcome.wanted.items()
                await timed(found, "destroy", "--yes")
                print(f"undisturbed {whole_s:.1f} s", flush=True)
            while outcome.kills < KILLS:
                place = places[outcome.kills] if outcome.kills < len(places) else dice.random()
                by_calls = outcome.kills % 2 == 1
                until = calls["well"] + int(place * whole_calls) if by_calls else sys.maxsize
                if not await killed(found, ENDS_WITHIN_S if by_calls else place * whole_s, until, outcome):
                    # It was quicker than the first one, and had come to its end.
                    places[outcome.kills] = dice.random()
                    await timed(found, "destroy", "--yes")
                    continue
                outcome.kills += 1
                try:
                    await survived(found, outcome)
                except (AssertionError, trio.TooSlowError) as error:
                    outcome.stuck += 1
                    print(f"kill {outcome.kills}: {error}\n{found.appliance.story()}", flush=True)
                    break
    return {"undisturbed (s)": whole_s, **outcome.figures()}


async def killed(found: Site, after_s: float, until: int, outcome: Outcome) -> bool:
    """Kill a bootstrap after a time, or once so many calls have been answered; False: it has ended before."""
    running = begin(found.appliance, "bootstrap")
    with trio.move_on_after(after_s):
        while running.poll() is None and found.cloud.proxy.counts["well"] < until:  # noqa: ASYNC110  # another process's doing
            await trio.sleep(0.002)
    was_running = running.poll() is None
    running.kill()
    await trio.to_thread.run_sync(running.wait)
    if was_running:
        there = progress(await found.left())
        outcome.at[there] += 1
        print(f"killed {there}", flush=True)
    return was_running


def progress(there: Mapping[str, int]) -> str:
    """Say how far a bootstrap had come."""
    if not sum(there.values()):
        return "with nothing made"
    if not there["servers"]:
        return "in the foundation"
    return "among servers" if there["servers"] < SERVERS or not there["load balancers"] else "with everything made"


async def survived(found: Site, outcome: Outcome) -> None:
    """Run the bootstrap again, count, destroy, count."""
    took_s = await timed(found, "bootstrap")
    outcome.reruns_s.append(took_s)
    there = Counter(await found.left())
    outcome.twice += there - outcome.wanted
    outcome.lacking += outcome.wanted - there
    gone_s = await timed(found, "destroy", "--yes")
    left = Counter(await found.left())
    outcome.left += left
    print(f"kill {outcome.kills}: rerun {took_s:.1f} s, {dict(there)}, destroyed in {gone_s:.1f} s, {left}", flush=True)


async def timed(found: Site, command: str, *options: str) -> float:
    """Run a command to its end; give its seconds. Errors: AssertionError, TooSlowError."""
    began = trio.current_time()
    with trio.fail_after(ENDS_WITHIN_S):
        await finished(found.appliance, command, *options)
    return trio.current_time() - began
