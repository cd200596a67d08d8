"""`hfs config` as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from hfs_appliance.cli.main import cli

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "config"


def hfs(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def _in_golden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)


@pytest.mark.usefixtures("_in_golden")
def test_ten_mistakes_are_ten_messages_with_their_lines() -> None:
    result = hfs("config", "check", "ten-mistakes.toml")
    assert result.exit_code == os.EX_CONFIG == 78
    *mistakes, summary = result.stderr.splitlines()
    assert mistakes == Path("ten-mistakes.txt").read_text().splitlines()
    assert summary.startswith("10 mistakes")
    assert result.stdout == ""


@pytest.mark.usefixtures("_in_golden")
def test_a_machine_reads_the_same_mistakes() -> None:
    result = hfs("config", "check", "--json", "ten-mistakes.toml")
    assert result.exit_code == os.EX_CONFIG
    report = json.loads(result.stdout)
    assert report["valid"] is False
    assert len(report["mistakes"]) == 10
    assert report["mistakes"][3] == {
        "file": "ten-mistakes.toml",
        "line": 12,
        "column": 1,
        "key": "cloud.local.netwrok",
        "words": "unknown key",
        "hint": 'did you mean "network"?',
    }


def test_a_good_file_is_summed_up() -> None:
    local = str(ROOT / "configs" / "local.toml")
    result = hfs("config", "check", local)
    assert (result.exit_code, result.stdout) == (
        0,
        f"{local}: no mistakes (environment local: 4 services, 10 instances)\n",
    )
    result = hfs("config", "check", "--json", local)
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"file": local, "valid": True, "mistakes": []})


def test_a_file_that_is_not_there_is_a_mistake() -> None:
    result = hfs("config", "check", "/nowhere.toml")
    assert result.exit_code == os.EX_CONFIG
    assert result.stderr.startswith("/nowhere.toml: No such file or directory\n")


def test_init_writes_a_valid_file_once(tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    assert hfs("config", "init", str(file)).exit_code == 0
    assert hfs("config", "check", str(file)).exit_code == 0
    assert hfs("config", "init").stdout == file.read_text()
    file.write_text("# mine")
    again = hfs("config", "init", str(file))
    assert again.exit_code == 1
    assert again.stderr.startswith(f"{file} is there already\n")
    assert file.read_text() == "# mine"


def test_the_local_example_begins_with_the_starting_file() -> None:
    """One text: what `hfs config init` writes is what the example environment runs."""
    starting = hfs("config", "init").stdout
    assert (ROOT / "configs" / "local.toml").read_text().startswith(starting)


def test_the_schema_accepts_the_examples_and_refuses_mistakes() -> None:
    schema = json.loads(hfs("config", "schema").stdout)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for example in ("local.toml", "production.toml"):
        validator.validate(tomli.loads((ROOT / "configs" / example).read_text()))
    wrong = tomli.loads((GOLDEN / "ten-mistakes.toml").read_text())
    places = {".".join(map(str, error.absolute_path)) for error in validator.iter_errors(wrong)}
    assert places == {
        "environment",
        "registry.session_timeout",
        "cloud.provider",
        "cloud.local",
        "quota.max_servers",
    }


def test_configuration_is_cheap_to_know_about() -> None:
    """`hfs --help` must not pay for the schema."""
    program = "import hfs_appliance.cli.config, sys; print(*sorted({'pydantic', 'tomli', 'trio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
