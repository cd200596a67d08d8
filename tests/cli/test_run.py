"""`hfs run` around the composition root: why it cannot start, where its state lies, and a reader that leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hfs_appliance import app
from hfs_appliance.cli import run
from hfs_appliance.cli.failures import Failure
from hfs_appliance.config import load_file
from hfs_appliance.model.ids import EnvironmentName

LOCAL = Path(__file__).parents[2] / "configs" / "local.toml"


def test_the_state_lies_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    local = EnvironmentName("local")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert run.default_state(local) == Path("/var/state/hfs/local")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/eva")
    assert run.default_state(local) == Path("/home/eva/.local/state/hfs/local")


def test_what_prevents_the_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[app.RunOptions] = []

    async def refuse(options: app.RunOptions, _: app.View) -> None:
        asked.append(options)
        inner = ExceptionGroup("api", [app.CannotStart("cannot listen on 127.0.0.1:8081")])
        raise ExceptionGroup("appliance", [inner])

    monkeypatch.setattr(app, "run", refuse)
    with pytest.raises(Failure, match=r"^cannot listen on 127\.0\.0\.1:8081$"):
        run.run(LOCAL, tmp_path, is_keeping=False, is_json=False)
    [options] = asked
    assert (options.file, options.state) == (LOCAL, tmp_path)
    assert (options.desired, options.source) == load_file(LOCAL)


def test_a_reader_that_leaves_ends_the_view_only() -> None:
    program = """
import sys, trio
from functools import partial
from hfs_appliance.cli import run
from hfs_appliance.cli.output import Output
from tests.support.script import Script

async def main():
    script = Script()
    async with trio.open_nursery() as nursery:
        output = Output(highlight=False)
        nursery.start_soon(partial(run.view, script.control, console=output, is_json=False))
        for _ in range(5):
            await trio.sleep(0.05)
            script.step()
        nursery.cancel_scope.cancel()

trio.run(main)
sys.stderr.write("the appliance went on")
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert process.returncode == 0
    assert "hfs goes on" in told
    assert told.endswith("the appliance went on")
