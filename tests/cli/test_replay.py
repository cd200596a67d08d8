"""`hfs replay` from the files of a state directory: what people read, what machines read, and which times it takes."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hfs_appliance.cli.main import cli
from hfs_appliance.cli.replay_command import Moment, When
from hfs_appliance.config import load_text
from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.instants import MINUTE, SECOND, format_instant
from hfs_appliance.model.plan import Hold, Plan
from hfs_appliance.telemetry.decisions import DecisionLog, files
from sim.desired import configuration
from sim.worlds import EPOCH, Fleet

SOURCE = configuration({"dns": {"1.0.0": 2}}, pool_size=1)


def record(state: Path) -> Fleet:
    """Record how a fleet is built, and how a server dies."""
    fleet, decider = Fleet(desired=load_text(SOURCE, "env.toml", generation=1)), Decider()
    log = DecisionLog(state / "decisions")
    for number in range(20):
        if number == 12:
            fleet.kill(fleet.serving("dns", "1.0.0")[0])
        world = fleet.world()
        log.write([(world, decider.decide(world))])
        fleet.step()
    newest = files(state / "decisions")[-1]
    os.utime(newest, ns=(fleet.now, fleet.now))
    return fleet


def hfs(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(cli, ["replay", *map(str, arguments)])


def test_what_was_decided_and_why(tmp_path: Path) -> None:
    record(tmp_path)
    done = hfs("--state", tmp_path, "--from", "8s")
    assert done.exit_code == 0, done.output
    for words in (
        "  saw cloud.servers.small-0001.status: active → stopped",
        "  small-0001 is lost: not registered, and the cloud says that it does not run (dead)",
        "  delete small-0001: not registered, and the cloud says that it does not run (remediation)",
        "  claim small-0003 for dns 1.0.0: dns 1.0.0 has 1 of 2 (remediation)",
        "of 8 decisions had anything new",
    ):
        assert words in done.output
    whole = hfs("--state", tmp_path).output
    assert whole.index("create small-0001 in ") < whole.index("delete small-0001")
    assert "of 20 decisions" in whole


def test_machines_read_the_same(tmp_path: Path) -> None:
    record(tmp_path)
    since, until = (format_instant(type(EPOCH)(EPOCH + seconds * SECOND)) for seconds in (12, 12))
    done = hfs("--state", tmp_path, "--from", since, "--to", until, "--json")
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert told["at"] == since
    assert [action["verb"] for action in told["actions"]] == ["delete", "claim", "create"]
    assert told["actions"][1]["reason"]["cause"] == "remediation"
    assert told["verdicts"][0]["rule"] == "dead"
    assert (told["same"], told["other"], told["converged"]) == (True, None, False)


def test_another_configuration(tmp_path: Path) -> None:
    record(tmp_path / "state")
    new = tmp_path / "new.toml"
    new.write_text(configuration({"dns": {"1.0.0": 3}}, pool_size=0, max_servers=3))
    done = hfs("--state", tmp_path / "state", "--config", new)
    assert done.exit_code == 0, done.output
    assert "  it would claim small-0003 for dns 1.0.0: dns 1.0.0 has 2 of 3" in done.output
    assert "  it would not " in done.output
    told = [
        json.loads(line) for line in hfs("--state", tmp_path / "state", "--config", new, "--json").stdout.splitlines()
    ]
    assert any(one["other"]["more"] for one in told)


def test_holds_and_other_versions_are_told(tmp_path: Path) -> None:
    fleet = Fleet(desired=load_text(SOURCE, "env.toml", generation=1))
    log = DecisionLog(tmp_path / "decisions")
    log.write([(fleet.world(), Plan(holds=(Hold(scope="pool/small", rule="old", words="so it was"),)))])
    log.write([(fleet.world(), Plan())])
    done = hfs("--state", tmp_path, "--from", "2001-01-01")
    assert "  held: pool/small: so it was (old)" in done.output
    assert "  no longer held: pool/small (old)" in done.output
    assert "  this version of hfs decides otherwise here" in done.output


def test_what_is_torn_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    record(tmp_path)
    (path,) = files(tmp_path / "decisions")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    os.utime(path, ns=(EPOCH + 20 * SECOND, EPOCH + 20 * SECOND))
    done = hfs("--state", tmp_path)
    assert done.exit_code == 0
    assert "of 1" in done.output
    assert f"{path.name} ends in the middle of a decision" in done.stderr


def test_where_nothing_is_recorded(tmp_path: Path) -> None:
    done = hfs("--state", tmp_path)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (1, f"no decisions are recorded in {tmp_path}/decisions")
    record(tmp_path)
    done = hfs("--state", tmp_path, "--to", "2001-01-01", "--from", "2000-01-01")
    assert done.stderr.splitlines()[0] == "nothing was decided in that time"
    assert done.stderr.splitlines()[1].startswith("decisions are recorded from 2023-11-14T22:13:20")


def test_the_only_state_directory_is_found(tmp_path: Path) -> None:
    home = tmp_path / "hfs"
    done = hfs(XDG_STATE_HOME=str(tmp_path))
    assert done.stderr.splitlines()[0] == f"which state directory? There are: none in {home}"
    record(home / "one")
    assert hfs(XDG_STATE_HOME=str(tmp_path)).exit_code == 0
    record(home / "two")
    done = hfs(XDG_STATE_HOME=str(tmp_path))
    assert done.stderr.splitlines()[0] == f"which state directory? There are: {home}/one, {home}/two"


def test_times_are_taken_as_people_write_them() -> None:
    moment = Moment()

    def at(text: str) -> datetime:
        found = moment.convert(text, None, None)
        assert not found.is_before_newest
        return datetime.fromtimestamp(found.ns / SECOND).astimezone()

    assert moment.convert("15m", None, None) == When(15 * MINUTE, is_before_newest=True)
    assert at("2026-11-25T22:04:13Z") == datetime.fromisoformat("2026-11-25T22:04:13+00:00")
    now = datetime.now().astimezone()
    assert timedelta(0) <= now - at(f"{now:%H:%M:%S}") < timedelta(minutes=1)
    assert timedelta(hours=22) < now - at(f"{now + timedelta(hours=1):%H:%M}") < timedelta(hours=24)
    with pytest.raises(click.BadParameter, match="is no time: write 15m"):
        moment.convert("soon", None, None)
