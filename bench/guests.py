"""Virtual machines of the local provider: a serving guest is killed, a clone takes its place, the next one gets warm.

configs/qemu.toml, with two instances and a pool of one. Needs what `./build.sh guest` makes; whether the processor runs
the guests itself or QEMU carries their instructions out in software is told beside the figures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from bench.environment import SERVICE, until_instance
from bench.measure import Spread, instant_of
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.model.instants import SECOND
from tests.support.appliance import ROOT, Appliance

KILLS: Final = 10
WITHIN_S: Final = 1_200
GUEST: Final = ROOT / "build" / "guest"
CONFIGURATION: Final = ROOT / "configs" / "qemu.toml"


async def run() -> dict[str, object]:
    """Have guests, kill some, and tell how long each step took."""
    if not (GUEST / "disk").exists():
        return {"not measured": "there is no image for guests: ./build.sh guest makes one"}
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as name:
        directory = Path(name)
        saved = directory / "saved"
        source = CONFIGURATION.read_text().replace("[cloud]\n", "[registry]\n\n[cloud]\n", 1)
        source = source.replace('image = "../build/guest"', f'image = "{GUEST}"\nsaved = "{saved}"')
        source += '[guard]\ndestroy_budget = { percent = "100%", min = 50, max = 100, window = "10s" }\n'
        appliance = Appliance.prepare([ROOT / "dist" / "hfs"], directory, source)
        try:
            began = SystemClock().now()
            appliance.start()
            await appliance.converged(within_s=WITHIN_S)
            all_s = (SystemClock().now() - began) / SECOND
            ways = [await replaced(appliance) for _ in range(KILLS)]
            (accelerator,) = saved.glob("*/accelerator")
            runs_by = accelerator.read_text().split()[0]
        finally:
            appliance.clean()
    return {
        "guests are run by": {"kvm": "the processor (KVM)", "tcg": "QEMU, in software"}[runs_by],
        "command → converged, with making the saved state (s)": all_s,
        **{step: Spread.of([way[step] for way in ways]) for step in ways[0]},
    }


async def replaced(appliance: Appliance) -> Mapping[str, int]:
    """Kill a serving guest; give the nanoseconds until each step of its replacement."""
    await appliance.converged(within_s=WITHIN_S)
    servers = await appliance.get("/servers")
    victim = next(each["server"] for each in servers if each["service"] == SERVICE and each["phase"] == "serving")
    last = (await appliance.events())[-1]["seq"]
    began = SystemClock().now()
    await appliance.post(f"/servers/{victim}/kill")
    claimed = await appliance.told("action-started", last, WITHIN_S, action="claim", service=SERVICE)
    asked = await appliance.told("action-started", last, WITHIN_S, action="create")
    replacement = next(
        each for each in await appliance.get("/servers") if each["server"] == claimed["fields"]["server"]
    )
    async with httpx.AsyncClient(trust_env=False) as client:
        await until_instance(client, appliance, f"{replacement['address']}:9000", is_there=True)
    routed = SystemClock().now()
    serving = await appliance.told("phase-changed", last, WITHIN_S, server=replacement["server"], phase="serving")
    following = asked["fields"]["server"]
    warm = await appliance.told("phase-changed", last, WITHIN_S, server=following, phase="warm")
    return {
        "kill → claim": instant_of(claimed) - began,
        "kill → registered": instant_of(serving) - began,
        "kill → routed": routed - began,
        "the next clone asked for → warm": instant_of(warm) - instant_of(asked),
    }
