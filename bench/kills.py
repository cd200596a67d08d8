"""hfs is killed in the midst of building an environment, and started again: does it finish, is anything there twice?

The environment is that of bench/bootstrap.py at its first size: a network, a security group, a key pair, a server
group, 3 proxies, 4 services of 5 instances, a pool of 5, a load balancer. The same command is killed again and again,
so that recoveries are killed, too; after HFS_BENCH_EACH kills it is let come to its end. Then the cloud's API is asked
what there is, for the whole project, all of it is destroyed, and the API is asked what is left.

The kills are spread over a bootstrap as it goes undisturbed, where in each part the dice say: every other one by the
time that has passed since the first call was answered, the others by the number of answers, as most of those come
within two seconds. Both go on from the kill of their kind before: what was done then need not be done again.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import trio

from bench.bootstrap import FIRST, PROXIES, SERVICES, Site, begin, finished, site
from bench.measure import percentile

KILLS: Final = int(os.environ.get("HFS_BENCH_KILLS", "100"))
EACH: Final = int(os.environ.get("HFS_BENCH_EACH", "20"))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """A bootstrap that nobody kills."""

    seconds: float
    calls: int
    made: Counter[str]
    """What there was afterwards."""


@dataclass(slots=True)
class Outcome:
    """What came of the kills."""

    kills: int = 0
    environments: int = 0
    ends_s: list[float] = field(default_factory=list)
    """How long the last start of each environment took, the one that nobody killed."""
    twice: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    stuck: int = 0
    """Environments whose last start or destruction did not come to its end."""
    at: Counter[str] = field(default_factory=Counter)
    """How far the killed ones had come."""

    def figures(self) -> Mapping[str, object]:
        """Give what an operator would ask."""
        return {
            "kills": self.kills,
            **{f"of them {words}": count for words, count in sorted(self.at.items())},
            "environments": self.environments,
            "of them finished": len(self.ends_s),
            "last start p50 (s)": percentile(self.ends_s, 0.5) if self.ends_s else "",
            "last start max (s)": max(self.ends_s, default=""),
            "there twice": self.twice.total(),
            "not there": self.lacking.total(),
            "left after destroy": self.left.total(),
            "did not end": self.stuck,
        }


async def run() -> Mapping[str, object]:
    """Kill so often; an environment in which something went wrong is left behind for a new one."""
    outcome, dice = Outcome(), random.Random(SEED)
    whole: Undisturbed | None = None
    while outcome.kills < KILLS:
        async with site(0.0) as found:
            whole = whole or await undisturbed(found)
            try:
                while outcome.kills < KILLS:
                    await kill_and_finish(found, whole, outcome, dice)
            except (AssertionError, trio.TooSlowError) as error:
                outcome.stuck += 1
                print(f"after kill {outcome.kills}: {error}\n{found.appliance.story()}", flush=True)
    return {"undisturbed (s)": whole.seconds if whole is not None else "", **outcome.figures()}


async def undisturbed(found: Site) -> Undisturbed:
    """Have one that nobody kills, and destroy it."""
    took_s = await timed(found, "bootstrap")
    whole = Undisturbed(seconds=took_s, calls=found.cloud.proxy.counts["well"], made=Counter(await found.left()))
    assert WANTED.items() <= whole.made.items()
    await timed(found, "destroy", "--yes")
    print(f"undisturbed {took_s:.1f} s, {whole.calls} calls, {dict(whole.made)}", flush=True)
    return whole


async def kill_and_finish(found: Site, whole: Undisturbed, outcome: Outcome, dice: random.Random) -> None:
    """Kill one bootstrap until it has had all its kills or has come to its end; then see what there is."""
    outcome.environments += 1
    before = {True: 0.0, False: 0.0}
    for number, place in enumerate(places(min(EACH, KILLS - outcome.kills), dice)):
        by_calls = number % 2 == 1
        part = place - before[by_calls]
        before[by_calls] = place
        running = begin(found.appliance, "bootstrap")
        if by_calls:
            await answered(found, running, part * whole.calls)
        else:
            await passed(found, running, part * whole.seconds)
        was_running = running.poll() is None
        running.kill()
        await trio.to_thread.run_sync(running.wait)
        if not was_running:
            break
        outcome.kills += 1
        there = await found.left()
        outcome.at[progress(there)] += 1
        print(f"kill {outcome.kills}: {progress(there)}, {there['servers']} servers", flush=True)
    await survived(found, whole, outcome)


def places(kills: int, dice: random.Random) -> Iterator[float]:
    """Give where in a bootstrap it is killed, in order: once in each of as many parts as there are kills."""
    for part in range(kills):
        yield (part + dice.random()) / kills


async def answered(found: Site, running: subprocess.Popen[bytes], calls: float) -> None:
    """Wait until one has had so many answers, at least one, or has come to its end."""
    counts = found.cloud.proxy.counts
    until = counts["well"] + max(1, int(calls))
    while running.poll() is None and counts["well"] < until:  # noqa: ASYNC110  # another process's doing
        await trio.sleep(0.002)


async def passed(found: Site, running: subprocess.Popen[bytes], after_s: float) -> None:
    """Wait until so much time has passed since the first answer, or one has come to its end."""
    await answered(found, running, 1)
    with trio.move_on_after(after_s):
        while running.poll() is None:  # noqa: ASYNC110  # another process's doing
            await trio.sleep(0.01)


def progress(there: Mapping[str, int]) -> str:
    """Say how far a bootstrap had come."""
    if not sum(there.values()):
        return "with nothing made"
    if not there["servers"]:
        return "in the foundation"
    return "among servers" if there["servers"] < SERVERS or not there["load balancers"] else "with everything made"


async def survived(found: Site, whole: Undisturbed, outcome: Outcome) -> None:
    """Run the bootstrap to its end, count, destroy, count."""
    took_s = await timed(found, "bootstrap")
    outcome.ends_s.append(took_s)
    there = Counter(await found.left())
    outcome.twice += there - whole.made
    outcome.lacking += whole.made - there
    gone_s = await timed(found, "destroy", "--yes")
    left = Counter(await found.left())
    outcome.left += left
    print(f"ended in {took_s:.1f} s, {dict(there)}, destroyed in {gone_s:.1f} s, {+left}", flush=True)


async def timed(found: Site, command: str, *options: str) -> float:
    """Run a command to its end; give its seconds. Errors: AssertionError, TooSlowError."""
    began = trio.current_time()
    with trio.fail_after(ENDS_WITHIN_S):
        await finished(found.appliance, command, *options)
    return trio.current_time() - began
