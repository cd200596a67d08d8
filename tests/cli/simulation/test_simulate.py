"""`hfs simulate` as people and scripts call it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from click.exceptions import Exit
from click.testing import CliRunner, Result
from rich.console import Console

from hfs_appliance.cli.main import cli
from hfs_appliance.cli.simulation.live import Lines, LiveView, Watcher
from hfs_appliance.cli.simulation.many import simulate_many
from hfs_appliance.cli.simulation.output import for_machines
from sim import scenarios, shelf
from sim.outcome import Outcome, Violation
from sim.play import play
from tests.support import outcomes

Capture = pytest.CaptureFixture[str]

SHAPE = Path(__file__).parents[2] / "golden" / "simulate" / "json.txt"
BY_NAME = {
    ".reconcile_parts_ms": "part",
    ".repair_s": "kind of fault",
    ".detect_s": "kind of fault",
    ".strikes": "kind of fault",
    ".availability": "service",
    ".requests.services": "service",
    ".created": "cause",
    ".destroyed": "cause",
    ".api_calls.kinds": "call",
    ".api_calls.rejected_kinds": "call",
}

SHORT = """
words = "one of four dies"
lasts = "2m"
[layout]
servers = 4
per_service = 2
pool = 1
[[fault]]
kind = "server-dies"
at = "30s"
"""
IMPOSSIBLE = SHORT.replace('at = "30s"', 'at = "2m"') + '[bounds]\nsettle = "1ms"\n'


@pytest.fixture
def short(tmp_path: Path) -> str:
    """A story of two minutes."""
    path = tmp_path / "short.toml"
    path.write_text(SHORT)
    return str(path)


@pytest.fixture
def impossible(tmp_path: Path) -> str:
    """A story that demands what cannot be."""
    path = tmp_path / "impossible.toml"
    path.write_text(IMPOSSIBLE)
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["simulate", *arguments])


def in_json(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return answer


def test_json_is_one_object_with_the_names_that_scripts_rely_on(short: str) -> None:
    done = run(short, "--seed", "3", "--json")
    assert done.exit_code == 0
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert (found["scenario"], found["seed"], found["servers"]) == ("short", 3, 4)
    assert found["virtual_seconds"] > 700
    assert found["cpu_seconds"] > 0
    assert found["events"] > 10
    assert len(found["digest"]) == 32
    assert found["violations"] == []
    assert {"p50", "p99", "max"} <= set(found["reconcile_ms"])
    assert all({"count", "p50", "p99", "max"} <= set(spread) for spread in found["repair_s"].values())
    assert found["destroyed"] == {"remediation": 1}
    assert {"total", "rejected"} <= set(found["api_calls"])
    assert "timeline" not in found, "curves are for the report"


def test_the_shape_of_the_json_is_what_scripts_were_told() -> None:
    found = "\n".join(shape(json.loads(json.dumps(for_machines(outcomes.outcome()))))) + "\n"
    if os.environ.get("HFS_UPDATE"):
        SHAPE.write_text(found)
    assert found == SHAPE.read_text()


def shape(value: Any, name: str = "") -> Iterator[str]:
    """List every key with the type of its value; of names that a run brings along, one stands for all."""
    if isinstance(value, dict):
        for key in sorted(value)[:1] if name in BY_NAME else value:
            yield from shape(value[key], f"{name}.<{BY_NAME[name]}>" if name in BY_NAME else f"{name}.{key}")
    else:
        yield f"{name}: {type(value).__name__}"


def test_a_page_is_written_beside_the_summary(short: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run(short, "--report", str(page))
    assert done.exit_code == 0
    assert f"page       {page}" in [line.rstrip() for line in done.stdout.splitlines()]
    assert f"simulate {short} --seed 1</code>" in page.read_text()
    assert "Every promise was kept" in page.read_text()
    assert json.loads(run(short, "--json", "--report", str(page)).stdout)["scenario"] == "short"


def test_a_page_that_cannot_be_written_is_told_before_anything_is_played(short: str, tmp_path: Path) -> None:
    done = run(short, "--report", str(tmp_path / "no" / "page.html"))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{tmp_path}/no/page.html cannot be written: No such file")
    assert done.stdout == ""


def test_without_a_name_it_is_a_day_of_a_hundred_servers() -> None:
    found = in_json("--hours", "0.01")
    assert (found["scenario"], found["servers"]) == ("fleet-day", 100)
    assert in_json("--hours", "0.01", "--servers", "7")["servers"] == 7


def test_both_ways_to_call_it_are_one(short: str) -> None:
    first = in_json(short, "--seed", "3")
    other = json.loads(CliRunner().invoke(cli, ["--simulate", short, "--seed", "3", "--json"]).stdout)
    assert {**first, "cpu_seconds": 0} == {**other, "cpu_seconds": 0}


def test_a_pipe_gets_a_line_for_each_fault_and_the_summary(short: str) -> None:
    done = run(short, "--seed", "3", "--servers", "6", "--hours", "0.02")
    assert done.exit_code == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert "✖ server-dies: small-" in lines[0]
    assert lines[1] == "short  seed 3  every promise was kept"
    assert lines[2] == "one of four dies"
    assert lines[3].startswith("6 servers, 1")
    assert any("is suspect: " in line for line in lines)
    assert any(line.startswith("destroyed  1: 1 remediation") for line in lines)
    assert lines[-1].endswith(f"simulate {short} --seed 3 --servers 6 --hours 0.02")
    assert "\x1b" not in done.stdout


def test_a_broken_promise_is_1_and_comes_with_its_replay(impossible: str) -> None:
    done = run(impossible)
    assert done.exit_code == 1
    assert "1 violation" in done.stdout
    assert "violation of settled at" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f"simulate {impossible} --seed 1")
    for_machines = run(impossible, "--json")
    assert for_machines.exit_code == 1
    (violation,) = json.loads(for_machines.stdout)["violations"]
    assert set(violation) == {"checker", "instant", "words"}
    assert for_machines.stderr.rstrip().endswith(f"simulate {impossible} --seed 1")


def test_a_story_is_reduced_to_what_breaks_the_promise(tmp_path: Path) -> None:
    crowded, small = tmp_path / "crowded.toml", tmp_path / "small.toml"
    crowded.write_text(IMPOSSIBLE + '[[fault]]\nkind = "registry-away"\nat = "10s"\nlasts = "5s"\n')
    done = run(str(crowded), "--shrink", str(small))
    assert done.exit_code == 1
    looks, again = done.stderr.splitlines()
    assert looks == "looks for the least that breaks the promise of settled"
    assert again.startswith("1 fault and 1 server are enough: ")
    assert again.endswith(f"simulate {small} --seed 1")
    assert [fault.kind for fault in scenarios.load(str(small)).faults] == ["server-dies"]
    assert small.read_text().splitlines()[1].startswith("# settled: ")
    assert run(str(small)).exit_code == 1


def test_the_journal_is_what_the_digest_is_made_of(short: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    found = in_json(short, "--journal", str(journal))
    assert blake2b(journal.read_bytes(), digest_size=16).hexdigest() == found["digest"]
    verbose = run(short, "--verbose").stdout.splitlines()
    assert verbose[: found["events"]] == journal.read_text().splitlines()
    assert verbose[found["events"]].startswith("short  seed 1")


def test_a_journal_that_cannot_be_written_is_told_before_anything_is_played(short: str, tmp_path: Path) -> None:
    done = run(short, "--journal", str(tmp_path / "no" / "journal"))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{tmp_path}/no/journal cannot be written: No such file")
    assert done.stdout == ""


def test_whoever_watches_changes_nothing(short: str) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=80, height=24, force_terminal=True)
    scenario = scenarios.load(short)
    told: list[str] = []
    watchers = (Watcher(3), Lines(3, told.append), LiveView(3, console))
    digests = {play(scenario, 3, watch=each.watch, instruments=each.instruments).digest for each in watchers}
    assert digests == {play(scenario, 3).digest}
    for each in watchers:
        each.close()
    assert len(told) == 1
    assert "in truth" in screen.getvalue()


def test_scenarios_are_listed_with_their_words() -> None:
    lines = run("--list").stdout.splitlines()
    listed = json.loads(run("--list", "--json").stdout)
    assert [line.split()[0] for line in lines] == [one["name"] for one in listed] == list(shelf.names())
    assert all(line.endswith(one["words"]) for line, one in zip(lines, listed, strict=True))


def test_an_unknown_name_is_2_and_says_which_was_meant() -> None:
    done = run("zone-los")
    assert done.exit_code == 2
    assert "no scenario is called 'zone-los'; did you mean 'zone-loss'?" in done.stderr


def test_a_file_with_mistakes_is_78_with_each_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('words = "x"\nlasts = "soon"\n[[fault]]\nkind = "server-dances"\nat = "1m"\n')
    done = run(str(path))
    assert done.exit_code == os.EX_CONFIG
    assert f"{path}:2:1: lasts: " in done.stderr
    assert f"{path}:4:1: fault[0].kind: no fault is called " in done.stderr
    assert run(str(tmp_path / "none.toml")).exit_code == os.EX_CONFIG


@pytest.mark.parametrize(
    "option", [["zone-loss"], ["--servers", "3"], ["--report", "a"], ["--shrink", "a"], ["--verbose"]]
)
def test_a_swarm_draws_everything_itself(option: list[str]) -> None:
    assert run("--swarm", "2", *option).exit_code == 2


def test_what_a_swarm_drew_can_be_played_alone() -> None:
    found = json.loads(run("--swarm", "1", "--seed", "15", "--json").stdout)
    assert (found["swarm"], found["seed"]) == (1, 15)
    (row,) = found["rows"]
    assert (row["scenario"], row["seed"]) == ("swarm-15", 15)
    assert in_json("swarm-15")["digest"] == row["digest"]


def outcome(seed: int, *violations: Violation) -> Outcome:
    return Outcome(
        scenario=f"swarm-{seed}",
        seed=seed,
        servers=3,
        virtual_seconds=3600,
        cpu_seconds=1.5,
        events=9,
        digest="d",
        violations=violations,
        violations_total=len(violations),
    )


BROKEN = outcome(2, Violation(checker="settled", instant="1h", words="it did not"))


def test_a_swarm_for_people_names_what_broke_a_promise_and_how_to_see_it_again(capsys: Capture) -> None:
    with pytest.raises(Exit) as ended:
        simulate_many(2, None, is_json=False, play_all=lambda seeds: [outcome(seeds[0]), BROKEN])
    assert ended.value.exit_code == 1
    first, again, last = capsys.readouterr().out.splitlines()
    assert first == "seed 2 at 1h: settled: it did not"
    assert again.startswith("  again  ")
    assert again.endswith(" simulate swarm-2")
    assert last.startswith("2 of 2 runs  1 broke a promise  2h of virtual time in ")


def test_a_swarm_for_machines_is_one_object(capsys: Capture) -> None:
    with pytest.raises(Exit):
        simulate_many(2, 1, is_json=True, play_all=lambda seeds: [outcome(seeds[0]), BROKEN])
    found = json.loads(capsys.readouterr().out)
    assert (found["swarm"], found["seed"], found["violations"]) == (2, 1, 1)
    assert [row["seed"] for row in found["rows"]] == [1, 2]


def test_ctrl_c_is_130_and_says_how_far_it_got() -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "hfs_appliance", "simulate", "zone-loss", "--hours", "1000", "--verbose"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    started.stdout.readline()
    started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert started.returncode == 130
    far, again = told.strip().splitlines()
    assert far.startswith("interrupted at 0:")
    assert far.endswith(" of virtual time; no violation until then")
    assert again.endswith("simulate zone-loss --seed 1 --hours 1000")


def test_whoever_stops_reading_ends_it() -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "hfs_appliance", "simulate", "zone-loss", "--hours", "1000", "--verbose"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stderr is not None
    started.stdout.readline()
    started.stdout.close()
    assert started.wait(timeout=60) == 0
    assert started.stderr.read() == ""
    started.stderr.close()
