"""`hfs run` around the composition root: why it cannot start, where its state lies, and a reader that leaves."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from rich.console import Console

from hfs_appliance import __version__, app
from hfs_appliance.cli import run
from hfs_appliance.cli.failures import program
from hfs_appliance.cli.main import cli
from hfs_appliance.cli.start import default_state
from hfs_appliance.config import load_file
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.supplies import CannotStart
from tests.support.control import FakeControl, status

LOCAL = Path(__file__).parents[2] / "configs" / "local.toml"


def test_the_state_lies_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    local = EnvironmentName("local")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert default_state(local) == Path("/var/state/hfs/local")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/eva")
    assert default_state(local) == Path("/home/eva/.local/state/hfs/local")


def hfs_run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["run", *arguments])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[app.RunOptions]:
    """What the composition root, which does nothing, was asked."""
    asked: list[app.RunOptions] = []

    async def obey(options: app.RunOptions, _: app.View) -> None:
        asked.append(options)

    monkeypatch.setattr(app, "run", obey)
    return asked


@pytest.mark.parametrize("kind", [CannotStart, app.Unfinished])
def test_what_goes_wrong_is_one_line_and_one_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[str], Exception]
) -> None:
    async def refuse(options: app.RunOptions, _: app.View) -> None:
        assert (options.file, options.state) == (LOCAL, tmp_path)
        assert (options.desired, options.source) == load_file(LOCAL)
        raise ExceptionGroup("appliance", [ExceptionGroup("api", [kind("2 servers are left\nstart it again")])])

    monkeypatch.setattr(app, "run", refuse)
    done = hfs_run(str(LOCAL), "--state", str(tmp_path))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[1:] == ["2 servers are left", "start it again"]


def test_it_says_at_once_what_it_starts(tmp_path: Path, asked: list[app.RunOptions]) -> None:
    done = hfs_run(str(LOCAL), "--state", str(tmp_path))
    assert (done.exit_code, done.stdout, len(asked)) == (0, "", 1)
    assert done.stderr == f"hfs {__version__} starts environment local from {LOCAL}, state in {tmp_path}\n"
    assert hfs_run(str(LOCAL), "--state", str(tmp_path), "--json").output == ""


def test_an_appliance_may_listen_elsewhere_than_its_file_says(tmp_path: Path, asked: list[app.RunOptions]) -> None:
    given = ("--state", str(tmp_path), "--admin", "127.0.0.1:9081", "--endpoint", "127.0.0.2:9080")
    assert hfs_run(str(LOCAL), *given).exit_code == 0
    assert (str(asked[0].admin), str(asked[0].endpoint)) == ("127.0.0.1:9081", "127.0.0.2:9080")
    refused = hfs_run(str(LOCAL), "--state", str(tmp_path), "--admin", "localhost:9081")
    assert refused.exit_code == 2
    assert '"localhost" is not an IPv4 address' in refused.stderr
    assert len(asked) == 1


def test_it_says_so_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    program = f"""
import sys
from hfs_appliance.cli import start
def echo(words, **_):
    print([name for name in ("trio", "rich", "kazoo", "starlette", "jinja2") if name in sys.modules])
    raise SystemExit
start.click.echo = echo
from pathlib import Path
start.start(Path({str(LOCAL)!r}), Path({str(tmp_path)!r}), is_keeping=False, is_json=False)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("is_down", [False, True])
def test_what_was_kept_is_taken_over_with_the_command_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[app.RunOptions], *, is_down: bool
) -> None:
    async def keep(options: app.RunOptions, view: app.View) -> None:
        asked.append(options)
        with trio.move_on_after(0.1):
            await view(FakeControl(now=replace(status(), mode="closing" if is_down else "active")))

    monkeypatch.setattr(app, "run", keep)
    monkeypatch.setattr(
        run, "Output", lambda **_: Console(force_terminal=True, no_color=True, width=40, highlight=False)
    )
    state = tmp_path / "my state"
    told = hfs_run(str(LOCAL), "--keep", "--state", str(state), "--admin", "127.0.0.1:9081").stdout
    assert ("go on running" in told) is not is_down
    if not is_down:
        command = told.splitlines()[-1].strip()
        assert command.startswith(f"{program()} run ")
        assert "--admin 127.0.0.1:9081" in command
        hfs_run(*shlex.split(command.removeprefix(f"{program()} run ")))
        assert asked[0] == asked[1]
        assert (asked[0].state, asked[0].keep) == (state, True)


def test_a_reader_that_leaves_ends_the_view_only() -> None:
    program = """
import sys, trio
from hfs_appliance.cli.output import Output
from hfs_appliance.cli.run import View
from tests.support.script import Script

async def main():
    script = Script()
    async with trio.open_nursery() as nursery:
        view = View(console=Output(highlight=False), is_json=False, began_s=0)
        nursery.start_soon(view, script.control)
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
