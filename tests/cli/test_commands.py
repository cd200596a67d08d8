"""The commands against a running API: what people read, what machines read, what is asked of the appliance."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio
from click.shell_completion import ShellComplete

from hfs_appliance.cli import client, wait
from hfs_appliance.cli.main import cli
from hfs_appliance.model.events import CloudUnreachable, DocumentsMerged
from hfs_appliance.model.instants import HOUR, to_seconds
from hfs_appliance.model.leadership import Leader
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.reports import Status
from hfs_appliance.ports.errors import Conflict, Standby, Transient
from hfs_appliance.runtime import ending
from tests.cli.conftest import Commands
from tests.support.control import status

LOCAL = Path(__file__).parents[2] / "configs" / "local.toml"


@dataclass
class Draft:
    """A configuration file that an operator works on."""

    path: Path
    text: str

    def add(self, line: str) -> None:
        self.text += f"{line}\n"
        self.path.write_text(self.text)


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    """A configuration without mistakes."""
    found = Draft(tmp_path / "local.toml", LOCAL.read_text().replace('"services/', f'"{LOCAL.parent}/services/'))
    found.add("")
    return found


async def test_status_for_people_and_for_machines(hfs: Commands) -> None:
    hfs.control.now = status(serving=1, holds=(Hold(scope="pool/small", rule="limit", words="30 servers at most"),))
    shown = (await hfs("status")).output
    assert "local  converging  generation 1, up 5s" in shown
    assert "dns      1.0.0    1/2      1 starting  1" in shown
    assert "servers  4 of 40 at most  3 warm  1 serving" in shown
    assert "held: pool/small: 30 servers at most (limit)" in shown
    assert "\x1b" not in shown
    answer = (await hfs("status", "--json")).output
    assert answer == (await hfs.served.client.get("/api/v1/status")).text + "\n"
    assert json.loads(answer)["services"]["dns"]["1.0.0"]["serving"] == 1
    assert json.loads(answer)["converged"] is False


async def test_who_leads_and_who_stands_by(hfs: Commands) -> None:
    assert "leader" not in (await hfs("status")).output, "with one appliance, nobody asks"
    hfs.control.now = replace(status(), standing_by=("b:8081",))
    assert "leader  a:8081, http://a:8081, epoch 1  standing by: b:8081" in (await hfs("status")).output
    hfs.control.now = replace(status(), leader=None, standing_by=("a:8081", "b:8081"), mode="standby")
    shown = (await hfs("status")).output
    assert "local  standby" in shown
    assert "leader  none now  standing by: a:8081, b:8081" in shown


async def test_handing_over_tells_to_whom(hfs: Commands) -> None:
    assert (await hfs("handover")).output == "b:8082 leads now, epoch 8: http://b:8082\n"
    assert json.loads((await hfs("handover", "--json")).output)["leader"]["epoch"] == 8
    assert hfs.control.asked == [("handover",)] * 2


async def test_who_stands_by_says_whom_to_ask(hfs: Commands) -> None:
    words = "b:8081 leads the environment, this appliance stands by"
    hfs.control.failure = Standby(words, Leader(name="b:8081", address="http://b:8081", epoch=7))
    done = await hfs("scale", "dns", "3")
    assert done.exit_code == 1
    first, second = done.stderr.splitlines()
    assert first == words
    assert second.startswith("ask it: ")
    assert "--api http://b:8081" in second


async def test_a_command_waits_for_a_leader(hfs: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "time", clock := Waits())
    hfs.control.failure = Standby("no appliance leads the environment now", None)
    assert (await hfs("handover")).output == "b:8082 leads now, epoch 8: http://b:8082\n"
    assert clock.waited == [1.0]
    clock.passes = 60
    hfs.control.failure = Standby("no appliance leads the environment now", None)
    assert "try again" in (await hfs("handover")).stderr.splitlines()[1]
    assert clock.waited == [1.0]


@dataclass
class Waits:
    """A clock by which nobody waits."""

    passes: float = 0
    """Seconds from each look to the next."""
    now: float = 0
    waited: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        self.now += self.passes
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [("servers", "servers"), ("explain small-0001", "explain?target=small-0001"), ("events", "events")],
)
async def test_json_is_exactly_the_api(hfs: Commands, arguments: str, path: str) -> None:
    hfs.control.tell(CloudUnreachable(words="timeout"))
    answer = (await hfs.served.client.get(f"/api/v1/{path}")).text
    assert (await hfs(*arguments.split(), "--json")).output == answer.rstrip("\n") + "\n"


async def test_servers_and_one_explained(hfs: Commands) -> None:
    listed = (await hfs("servers")).output
    assert "small-0001  serving  dns      1.0.0    127.77.0.1" in listed
    explained = (await hfs("explain", "small-0001")).output
    for words in ("registered: registered and up", "dns 1.0.0, slot 0", "registration  up", "agent log"):
        assert words in explained


async def test_a_service_explained(hfs: Commands) -> None:
    shown = (await hfs("explain", "dns")).output
    for words in (
        "1.0.0: 1 of 3 serve, 1 starting",
        "small: 0/3 warm, 2 building",
        "1 more of 1.0.0  a server of pool small (since ",
        "held: pool/small: 40 servers are the most (max-servers)",
        "stale, 4 operations: status 500",
        "the endpoint has no route to it",
        "1 serve",
    ):
        assert words in shown


async def test_a_path_explained(hfs: Commands) -> None:
    shown = (await hfs("explain", "/dns/records")).output
    for words in (
        "http://127.0.0.1:8080/dns/records",
        "answered by  dns, as /v1/records",
        "divided by weight: the client's address (traffic epoch 7)",
        "2.0.0  5 %   over 1  and who carries header X-Beta = yes",
        "1.0.0  95 %  over 1",
    ):
        assert words in shown
    members = [line for line in shown.splitlines() if line.startswith("traffic: ")]
    assert [line.split()[1:3] for line in members] == [["no", "small-0002"], ["yes", "small-0001"]]
    assert members[0].endswith("warming  not registered: starts")
    assert "traffic" not in (await hfs("explain", "/")).output


@pytest.mark.parametrize(
    ("command", "typed", "offered"),
    [
        ("explain", "", ["dns", "small-0001", "/dns/"]),
        ("explain", "/d", ["/dns/"]),
        ("kill", "", ["small-0001"]),
        ("scale", "d", ["dns"]),
    ],
)
async def test_the_shell_completes_names(hfs: Commands, command: str, typed: str, offered: list[str]) -> None:
    def complete(url: str) -> list[str]:
        completion = ShellComplete(cli, {}, "hfs", "_HFS_COMPLETE")
        return [item.value for item in completion.get_completions(["--api", url, command], typed)]

    assert await trio.to_thread.run_sync(complete, hfs.served.url) == offered
    assert await trio.to_thread.run_sync(complete, "http://127.0.0.1:9") == []


async def test_unknown_names_say_which_ones_there_are(hfs: Commands) -> None:
    done = await hfs("explain", "small-0009")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "no server or service is called 'small-0009'; did you mean 'small-0001'?",
        "`hfs servers` and `hfs status` list what there is",
    ]


@pytest.mark.parametrize(("typed", "meant"), [("small-1", "small-0001"), ("small-000000001", "small-0001")])
async def test_a_number_without_its_zeros_is_understood(hfs: Commands, typed: str, meant: str) -> None:
    done = await hfs("explain", typed)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == f"no server or service is called {typed!r}; did you mean {meant!r}?"


async def test_odd_names_reach_nothing_else(hfs: Commands) -> None:
    done = await hfs("explain", "a/../../desired")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "no server or service is called 'a/../../desired'"


async def test_events_in_words(hfs: Commands) -> None:
    hfs.control.tell(CloudUnreachable(words="timeout"))
    hfs.control.tell(DocumentsMerged(services=4, operations=40, digest="d"))
    lines = (await hfs("events", "--after", "1")).output.splitlines()
    assert [line[10:] for line in lines] == ["the Swagger document has 40 operations of 4 services"]


async def test_following_ends_with_the_appliance(hfs: Commands) -> None:
    hfs.control.tell(CloudUnreachable(words="one"))
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            results = []

            async def follow() -> None:
                results.append(await hfs("events", "--follow", "--json"))

            nursery.start_soon(follow)
            while not hfs.control.readers:
                await trio.testing.wait_all_tasks_blocked(0.01)
            hfs.control.tell(CloudUnreachable(words="two"))
            await trio.testing.wait_all_tasks_blocked(0.05)
            hfs.served.shutdown.set()
    assert [json.loads(line)["fields"]["words"] for line in results[0].output.splitlines()] == ["one", "two"]
    assert results[0].exit_code == 0


async def test_a_plan_shows_changes_steps_and_holds(hfs: Commands, draft: Draft) -> None:
    done = await hfs("plan", str(draft.path))
    assert done.exit_code == 0
    for words in (
        'service.dns.version."1.0.0".instances  2       →  3',
        "now        claim   small-0003         dns 1.0.0  dns 1.0.0 has 2 of 3 (meet-demand)",
        "under way  create  small-0009 in az1",
        "?          delete  small-0001",
        "1 claim, 1 create, 1 delete; takes unknown (never measured here: start of dns)",
        "5 servers now, 7 of 40 at the peak, 2 of 10 in creation at a time",
        "budget of environment: 1 leave, 1 of 3 within 10m",
        "will be held after 1m30s, for 1m: environment: destroy-budget trips (destroy-budget)",
        "will be held later, and not ended by time alone: environment: max-servers trips (max-servers)",
        "then nothing more happens by itself",
        "hash 0123456789ab",
        "admin.port takes effect when `hfs run` is started again",
        "held: pool/small: 40 servers are the most (limit)",
    ):
        assert words in done.output
    assert "confirm-ready" not in done.output, "bookkeeping is for --json"
    assert hfs.control.asked == [("plan", draft.text, str(draft.path))]
    machine = json.loads((await hfs("plan", str(draft.path), "--json")).output)
    assert machine["steps"][0]["verb"] == "claim"


async def test_a_plan_without_a_file_is_of_what_is_in_force(hfs: Commands) -> None:
    assert (await hfs("plan")).output == "nothing to change, nothing to do\n"
    assert json.loads((await hfs("plan", "--json")).output)["hash"] == "0" * 12
    assert hfs.control.asked == [("plan", None, "")] * 2


async def test_a_plan_with_nothing_to_do(hfs: Commands, draft: Draft) -> None:
    draft.add("#!same")
    done = await hfs("plan", str(draft.path))
    assert (done.exit_code, done.output) == (0, "nothing to change, nothing to do\n")
    assert (await hfs("apply", str(draft.path))).exit_code == 0
    assert {call[0] for call in hfs.control.asked} == {"plan"}


async def test_json_is_there_even_when_nothing_is_to_do(hfs: Commands, draft: Draft) -> None:
    draft.add("#!same")
    done = await hfs("apply", "--yes", "--json", str(draft.path))
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"generation": 1, "changes": []})


@pytest.mark.parametrize("arguments", ["kill small-0001 --json", "down --yes --no-wait --json"])
async def test_what_the_api_only_accepts_is_json_too(hfs: Commands, arguments: str) -> None:
    done = await hfs(*arguments.split())
    assert (done.exit_code, done.stdout) == (0, "{}\n")


async def test_mistakes_that_only_the_appliance_sees_are_78(hfs: Commands, draft: Draft) -> None:
    draft.add("#!mistake")
    done = await hfs("plan", str(draft.path))
    assert done.exit_code == 78
    assert done.stderr.splitlines()[0] == "env.toml:3:1: servic: unknown key; did you mean 'service'?"


async def test_apply_asks_for_a_yes_when_nobody_is_there(hfs: Commands, draft: Draft) -> None:
    done = await hfs("apply", str(draft.path))
    assert done.exit_code == 2
    assert "give --yes" in done.stderr
    assert {call[0] for call in hfs.control.asked} == {"plan"}


async def test_apply_stores_what_was_planned_and_waits(hfs: Commands, draft: Draft) -> None:
    done = await hfs("apply", str(draft.path), "--yes")
    assert done.exit_code == 0, done.stderr
    assert done.output.splitlines()[-1] == "generation 2 is converged"
    assert hfs.control.asked[-1] == ("apply", draft.text, str(draft.path), getpass.getuser(), 1)


async def test_apply_loses_against_somebody_else(hfs: Commands, draft: Draft) -> None:
    hfs.control.conflict = Conflict("generation 1 is no longer in force, 2 is")
    done = await hfs("apply", str(draft.path), "--yes")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "generation 1 is no longer in force, 2 is"


async def test_holds_show_a_card_for_each_with_what_can_be_done(hfs: Commands) -> None:
    done = await hfs("holds")
    assert done.output.splitlines() == [
        "service/dns  storm",
        "  12 of 30 are lost",
        "  - hfs approve service/dns: you have looked",
    ]
    assert json.loads((await hfs("holds", "--json")).output)[0]["rule"] == "storm"


async def test_a_target_is_held_released_and_approved(hfs: Commands) -> None:
    done = await hfs("hold", "dns", "--reason", "look", "--for", "2h")
    assert done.output == "nothing of dns is taken away any more; to end that: hfs release dns\n"
    assert (await hfs("release", "service/dns")).output == "service/dns is released\n"
    approved = await hfs("approve", "dns", "--yes")
    assert approved.stdout == "approved, for an hour; to take it back: hfs release dns\n"
    assert "12 of 30 are lost" in approved.stderr
    assert hfs.control.asked == [
        ("hold", "dns", "look", getpass.getuser(), 2 * HOUR),
        ("release", "service/dns"),
        ("approve", "dns", getpass.getuser()),
    ]


async def test_a_hold_needs_a_reason_and_a_duration_that_is_one(hfs: Commands) -> None:
    assert (await hfs("hold", "dns")).exit_code == 2
    wrong = await hfs("hold", "dns", "--reason", "look", "--for", "soon")
    assert (wrong.exit_code, "like 30m, 2h or 1d" in wrong.stderr) == (2, True)


async def test_what_removes_much_asks_for_the_hash_of_its_plan(hfs: Commands, draft: Draft) -> None:
    hfs.control.to_confirm = "0123456789ab"
    for command in (["apply", str(draft.path), "--yes"], ["scale", "dns", "0"]):
        refused = await hfs(*command)
        assert refused.exit_code == 1
        assert refused.stderr.splitlines() == [
            "this removes 2 of 2 instances of dns",
            "if that is what you want, give --confirm 0123456789ab with the same command",
        ]
        assert (await hfs(*command, "--confirm", "0123456789ab")).exit_code == 0


async def test_scale_waits_and_tells_events_meanwhile(hfs: Commands) -> None:
    hfs.control.is_slow = True
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            results = []

            async def scale() -> None:
                results.append(await hfs("scale", "dns", "5"))

            nursery.start_soon(scale)
            while not hfs.control.asked:
                await trio.testing.wait_all_tasks_blocked(0.01)
            hfs.control.tell(DocumentsMerged(services=4, operations=40, digest="d"))
            hfs.control.now = replace(status(serving=5, desired=5), generation=2)
    assert hfs.control.asked == [("scale", "dns", None, 5, getpass.getuser())]
    assert results[0].exit_code == 0, results[0].stderr
    *told, last = results[0].output.splitlines()
    assert [line[25:] for line in told] == ["info    the Swagger document has 40 operations of 4 services"]
    assert last == "generation 2 is converged"


async def test_scale_does_not_wait_when_told_so(hfs: Commands) -> None:
    hfs.control.is_slow = True
    done = await hfs("scale", "dns", "5", "--version", "1.0.0", "--no-wait", "--json")
    assert json.loads(done.output)["generation"] == 2
    assert hfs.control.asked == [("scale", "dns", "1.0.0", 5, getpass.getuser())]


async def test_kill_and_its_limits(hfs: Commands) -> None:
    assert "watch it heal" in (await hfs("kill", "small-0001")).output
    done = await hfs("kill", "small-0002")
    assert (done.exit_code, done.stderr) == (1, "only local servers can be killed\n")


async def test_adopting_asks_and_tells_what_was_taken_over(hfs: Commands) -> None:
    hold = Hold(scope="environment", rule="registry-wiped", words="the registry was emptied")
    hfs.control.now = status(holds=(hold,))
    asked = await hfs("adopt")
    assert (asked.exit_code, hfs.control.asked) == (2, [])
    assert asked.stderr.splitlines()[0] == "held: the registry was emptied (registry-wiped)"
    done = await hfs("adopt", "--yes")
    assert done.stdout == "adopted 4 servers in local:/x, 1 of them recorded anew\n"
    assert json.loads((await hfs("adopt", "--yes", "--json")).stdout)["next_serial"] == 9
    assert hfs.control.asked == [("adopt", getpass.getuser())] * 2


async def test_down_asks_and_waits_for_the_end(hfs: Commands) -> None:
    assert (await hfs("down")).exit_code == 2
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            results = []

            async def down() -> None:
                results.append(await hfs("down", "--yes"))

            nursery.start_soon(down)
            while not hfs.control.asked:
                await trio.testing.wait_all_tasks_blocked(0.01)
            hfs.served.shutdown.set()
    assert hfs.control.asked == [("down",)]
    assert (results[0].exit_code, results[0].output) == (0, "everything is retired\n")


async def test_down_does_not_wait_for_ever(hfs: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "GONE_WITHIN_S", 0.1)
    done = await hfs("down", "--yes")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        1,
        "`hfs run` has not ended, and nothing has moved for 0.1 s; it goes on",
    )


async def test_down_tells_when_something_may_be_left(hfs: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    assert to_seconds(ending.CLOSE_WITHIN) == wait.RUN_GIVES_UP_S < wait.GONE_WITHIN_S / 2
    monkeypatch.setattr(wait, "RUN_GIVES_UP_S", 0)
    looks: list[str] = []

    def look() -> Status:
        looks.append(hfs.control.now.mode)
        return hfs.control.now

    monkeypatch.setattr(hfs.control, "status", look)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            results = []

            async def down() -> None:
                results.append(await hfs("down", "--yes"))

            nursery.start_soon(down)
            while looks.count("closing") < 2:  # the answer to the first one has been read then
                await trio.testing.wait_all_tasks_blocked(0.01)
            hfs.served.shutdown.set()
    assert results[0].exit_code == 1
    assert results[0].stderr.startswith("`hfs run` has ended, but of 5 servers nobody saw the end\n")


async def test_a_passing_failure_says_to_try_again(hfs: Commands) -> None:
    hfs.control.failure = Transient("the registry does not answer")
    done = await hfs("status")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "the registry does not answer"
    assert done.stderr.splitlines()[1].startswith("try again in a moment")
