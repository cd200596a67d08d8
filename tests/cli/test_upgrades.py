"""The commands about upgrades and history: what they ask for, what they tell, and how they end."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING

import pytest
import trio

from hfs_appliance.model.event import EventBase
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp, TrafficChanged
from hfs_appliance.ports.errors import Rejected
from tests.cli.conftest import Commands

if TYPE_CHECKING:
    from click.testing import Result

ME = getpass.getuser()
DNS = ServiceName("dns")


def changed(phase: str, *, service: ServiceName = DNS) -> RolloutChanged:
    return RolloutChanged(service=service, number=3, phase=phase, before="", old="1.0.0", new="2.0.0", words="so")


GIVEN_UP = RolloutGivenUp(
    service=DNS, number=3, phase="abort", before="canary", old="1.0.0", new="2.0.0", words="too many errors"
)
DIVIDED = TrafficChanged(service=DNS, epoch=7, words="2.0.0 5 %, 1.0.0 95 %")


async def told(hfs: Commands, *arguments: str, events: tuple[EventBase, ...]) -> Result:
    """Run a command, and have things happen once it follows them."""
    found: list[Result] = []

    async def run() -> None:
        found.append(await hfs(*arguments))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        with trio.fail_after(20):
            while not any(asked[0] in ("upgrade", "rollback") for asked in hfs.control.asked):  # noqa: ASYNC110  # in a thread
                await trio.sleep(0.01)
        for event in events:
            hfs.control.tell(event)  # type: ignore[arg-type]
    return found[0]


async def test_an_upgrade_is_followed_until_it_has_all_requests(hfs: Commands) -> None:
    events = (changed("expand", service=ServiceName("other")), changed("expand"), DIVIDED, changed("soak"))
    result = await told(hfs, "upgrade", "dns", "2.0.0", "--strategy", "canary", events=events)
    assert result.exit_code == 0, result.output
    assert hfs.control.asked[-1] == ("upgrade", "dns", "2.0.0", "canary", ME)
    assert "brings up its instances" in result.output
    assert "other" not in result.output
    assert "requests of dns go to 2.0.0 5 %, 1.0.0 95 % (traffic epoch 7)" in result.output
    assert result.output.endswith("dns 2.0.0 has all requests; `hfs rollback dns` takes them back\n")


async def test_an_upgrade_that_is_taken_back_has_failed(hfs: Commands) -> None:
    result = await told(hfs, "upgrade", "dns", "2.0.0", events=(GIVEN_UP,))
    assert result.exit_code == 1
    assert "dns 2.0.0 was taken back: too many errors" in result.output


async def test_an_upgrade_need_not_be_waited_for(hfs: Commands) -> None:
    result = await hfs("upgrade", "dns", "2.0.0", "--no-wait")
    assert (result.exit_code, "generation 2 is stored" in result.output) == (0, True)
    result = await hfs("upgrade", "dns", "2.0.0", "--no-wait", "--json")
    assert json.loads(result.stdout) == {"generation": 2, "changes": []}


async def test_a_rollback_ends_when_every_proxy_has_heard(hfs: Commands) -> None:
    result = await told(hfs, "rollback", "dns", events=(GIVEN_UP, changed("contract")))
    assert result.exit_code == 0, result.output
    assert hfs.control.asked[-1] == ("rollback", "dns", ME)
    assert result.output.endswith("dns is back\n")
    result = await hfs("rollback", "dns", "--no-wait")
    assert result.output == "dns is going back\n"


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        (("promote", "dns"), "promote"),
        (("promote", "dns", "--full"), "promote-full"),
        (("pause", "dns"), "pause"),
        (("resume", "dns"), "resume"),
        (("abort", "dns"), "abort"),
    ],
)
async def test_orders(hfs: Commands, arguments: tuple[str, ...], order: str) -> None:
    result = await hfs(*arguments)
    assert hfs.control.asked[-1] == ("order", "dns", order)
    assert result.output == f"rollout 3 of dns is told to {order} (it was in canary)\n"
    assert json.loads((await hfs(*arguments, "--json")).stdout)["order"] == order


async def test_an_order_that_nothing_can_obey_is_refused(hfs: Commands) -> None:
    hfs.control.failure = Rejected("no rollout of dns is in progress: nothing is changed")
    result = await hfs("abort", "dns")
    assert (result.exit_code, "nothing is changed" in result.output) == (1, True)


async def test_rollouts_say_how_far_and_what_for(hfs: Commands) -> None:
    output = (await hfs("rollouts")).output
    assert output.splitlines() == [
        "dns  rollout 3: 1.0.0 → 2.0.0, canary",
        "  canary, step 1 of 2 since 2023-11-14T22:13:20.000Z: 2 instances of 2.0.0 serve",
        "  instances  1.0.0: 2 | 2.0.0: 2 (of 2 wanted)",
        "  requests   2.0.0 5 %, 1.0.0 95 % (epoch 7; not followed yet by b:8081)",
        "  held      0 requests; the gate needs 500 of each",
    ]
    assert json.loads((await hfs("rollouts", "--json")).stdout)[0]["epoch"] == 7


async def test_history_and_differences(hfs: Commands) -> None:
    lines = (await hfs("history")).output.splitlines()
    assert [line.split()[0] for line in lines] == ["*", "1"]
    assert lines[0].endswith("me  hfs upgrade dns 2.0.0")
    assert (await hfs("diff", "1", "2")).output == "pool.small.size: 2 → 3\n"
    assert (await hfs("diff", "2", "2")).output == "generations 2 and 2 ask for the same\n"
    assert json.loads((await hfs("diff", "1", "2", "--json")).stdout)[0]["after"] == "3"
    assert len(json.loads((await hfs("history", "--json")).stdout)) == 2


async def test_a_former_generation_is_made_the_next_one(hfs: Commands) -> None:
    result = await hfs("rollback", "--generation", "7", "--yes", "--no-wait")
    assert result.exit_code == 0, result.output
    assert hfs.control.asked[-1] == ("restore", 7, ME, 1)
    assert "pool.small.size: 2 → 3" in result.output


async def test_a_rollback_is_of_a_service_or_of_a_generation(hfs: Commands) -> None:
    assert (await hfs("rollback")).exit_code == 2
    assert (await hfs("rollback", "dns", "--generation", "7")).exit_code == 2
