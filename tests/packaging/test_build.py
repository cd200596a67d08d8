"""build.sh and the locked versions."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.replace("_", "-").split("==") for line in lines if not line.startswith("#"))


def test_it_tells_its_commands_when_asked_for_none(tmp_path: Path) -> None:
    run = subprocess.run([ROOT / "build.sh"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 64
    for command in ("run", "test", "check", "zipapp", "bench", "lock"):
        assert f"\n  {command} " in run.stderr


def test_help_is_no_error(tmp_path: Path) -> None:
    run = subprocess.run([ROOT / "build.sh", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_lock_agrees_with_every_pinned_version() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *settings["project"]["dependencies"],
        *(pin for group in settings["dependency-groups"].values() for pin in group),
    ]
    pins = dict(re.sub(r"\[.*\]", "", pin).split("==") for pin in wanted)
    assert pins.items() <= locked().items()


def test_the_lock_names_versions_and_nothing_else() -> None:
    assert locked()
    assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in locked())
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in locked().values())


def test_ci_runs_first_what_a_newcomer_runs() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert next(line for line in lines if line.startswith("./")) == "./build.sh test"
    assert "set -euo pipefail" in lines
