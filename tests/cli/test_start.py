"""What a shell sees of `hfs` before anything runs: quick help, exit codes, completion, errors of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hfs_appliance import app
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.cli.start import outlives_us
from hfs_appliance.config import load_file
from hfs_appliance.supplies import Supplies

HEAVY = ("trio", "httpx", "rich", "pydantic", "kazoo", "starlette", "hypercorn", "jinja2", "prometheus_client", "sim")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run hfs as a shell would; nothing listens on port 9 (discard)."""
    return subprocess.run(
        [sys.executable, "-m", "hfs_appliance", *arguments],
        env={**os.environ, "HFS_API": "http://127.0.0.1:9", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "arguments",
    ["--help", "--version", "version", "run --help", "apply -h", "completion bash", "config --help", "simulate -h"],
)
def test_help_loads_nothing_heavy(arguments: str) -> None:
    program = f"""
import sys
from hfs_appliance.cli.main import main
sys.argv = ["hfs", *{arguments.split()!r}]
try:
    main()
finally:
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    print("HEAVY", heavy, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "HEAVY []" in done.stderr


def test_help_tells_how_to_begin_and_what_exit_codes_mean() -> None:
    text = run("--help").stdout
    assert "hfs config init" in text
    assert [line.split()[0] for line in text[text.index("Exit codes:") :].splitlines()[1:7]] == [
        "0",
        "1",
        "2",
        "69",
        "78",
        "130",
    ]


@pytest.mark.parametrize(
    "command", ["run", "status", "servers", "plan", "apply", "scale", "events", "explain", "kill", "down", "simulate"]
)
def test_each_command_has_an_example(command: str) -> None:
    assert f"Example:\n    hfs {command}" in run(command, "--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["scale", "dns"],
        ["scale", "dns", "--", "-1"],
        ["scale", "dns", "many"],
        ["run"],
        ["events", "--after", "x"],
    ],
)
def test_a_wrong_command_line_is_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Usage:" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["servers", "--json"], ["events"], ["scale", "dns", "2"], ["kill", "a"], ["down", "--yes"]],
)
def test_without_an_appliance_it_is_69_and_says_how_to_start_one(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == "no hfs answers at http://127.0.0.1:9 (connection refused)"
    assert "run FILE" in second


def test_a_url_that_is_none_is_told() -> None:
    done = run("--api", "127.0.0.1", "status")
    assert done.returncode == 1
    assert done.stderr.startswith("127.0.0.1 is no URL of an admin API")


@pytest.mark.parametrize("command", ["run", "plan", "apply"])
def test_mistakes_in_a_file_are_78_and_nothing_starts(tmp_path: Path, command: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('schema = 1\n[environment]\nnam = "local"\n')
    done = run(command, str(file), XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == os.EX_CONFIG
    assert f"{file}:3:1: environment.nam: " in done.stderr
    assert done.stderr.splitlines()[-1].endswith("nothing was changed")
    assert done.stdout == ""
    assert not (tmp_path / "state").exists()


def test_errors_are_red_on_a_terminal_only() -> None:
    assert "\x1b" not in run("status").stderr
    assert "\x1b[1;31m" in run("status", FORCE_COLOR="1").stderr
    assert "\x1b[1;31m" not in run("status", FORCE_COLOR="1", NO_COLOR="1").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    assert "_HFS_COMPLETE" in run("completion", shell).stdout


def test_completion_knows_the_commands_and_loads_nothing_heavy() -> None:
    done = run(_HFS_COMPLETE="bash_complete", COMP_WORDS="hfs config ", COMP_CWORD="2")
    assert "plain,schema" in done.stdout


@pytest.mark.parametrize("words", ["hfs simulate zone-", "hfs --simulate zone-"])
def test_completion_knows_the_scenarios_and_loads_nothing_heavy(words: str) -> None:
    program = f"""
import sys
from hfs_appliance.cli.main import main
try:
    main()
finally:
    print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules and name != "sim"], file=sys.stderr)
"""
    words_so_far = {"_HFS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **words_so_far}, capture_output=True, text=True, timeout=30
    )
    assert "plain,zone-loss" in done.stdout
    assert "HEAVY []" in done.stderr


def test_the_agent_and_the_registry_are_there() -> None:
    assert run("agent", "--identity", "/no/such/file").returncode == os.EX_CONFIG
    assert "--data" in run("registry", "--help").stdout
    listed = run("--help").stdout
    assert not any(line.split()[:1] in (["agent"], ["registry"]) for line in listed.splitlines())


def test_it_calls_itself_as_it_was_called() -> None:
    program = "import sys; from hfs_appliance.cli.failures import program; sys.argv[0] = sys.argv[1]; print(program())"

    def called(name: str) -> str:
        done = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert called("/opt/a b/hfs") == "'/opt/a b/hfs'"
    assert called("dist/hfs") == "dist/hfs"
    assert called("/somewhere/hfs_appliance/__main__.py") == f"{sys.executable} -m hfs_appliance"


def test_a_bug_is_one_line_unless_asked() -> None:
    program = """
from hfs_appliance.cli import main
def boom(): raise ZeroDivisionError("by zero")
main.cli.commands["version"].callback = boom
main.sys.argv = ["hfs", "version"]
main.main()
"""
    quiet = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert quiet.returncode == 1
    assert quiet.stderr.splitlines()[0] == "hfs failed: ZeroDivisionError: by zero"
    loud = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "HFS_DEBUG": "1"},
    )
    assert "Traceback" in loud.stderr


@pytest.mark.parametrize(("file", "outlives"), [("local.toml", False), ("openstack.toml", True)])
def test_only_servers_of_this_machine_end_with_a_terminal(file: str, *, outlives: bool) -> None:
    desired, _ = load_file(Path(__file__).parents[2] / "configs" / file)
    assert outlives_us(desired) is outlives


@pytest.mark.parametrize(("file", "kind"), [("local.toml", "LocalCloud"), ("openstack.toml", "OpenStackCloud")])
def test_the_provider_is_the_one_that_the_file_names(file: str, kind: str, tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "configs" / file
    desired, source = load_file(path)
    options = app.RunOptions(file=path, source=source, desired=desired, state=tmp_path, keep=False)
    cloud, _ = app._cloud(options, Supplies(), SystemClock())
    assert type(cloud).__name__ == kind
