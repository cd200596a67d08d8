"""dist/hfs: one file that needs nothing but Debian's python3, and is the same file wherever it is built."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIZE_MAX = 12_000_000
HELP_CPU_SECONDS_MAX = 0.3

Bare = dict[str, str]


@pytest.fixture(scope="module")
def bare(executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """Give the environment of a machine that knows nothing of Python, with hfs started once before."""
    environment = {"SHIV_ROOT": str(tmp_path_factory.mktemp("shiv"))}
    subprocess.run([executable, "--help"], env=environment, check=True, capture_output=True)
    return environment


@pytest.fixture(scope="module")
def contents(executable: Path) -> set[str]:
    return set(zipfile.ZipFile(executable).namelist())


def test_it_starts_with_debians_python_and_only_its_own_modules(executable: Path) -> None:
    with executable.open("rb") as file:
        assert file.readline() == b"#!/usr/bin/python3 -IS\n"


def test_it_holds_the_product_and_the_simulator_whole(contents: set[str]) -> None:
    for package in ("hfs_appliance", "sim"):
        sources = [path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        missing = {f"site-packages/{path.relative_to(ROOT)}" for path in sources} - contents
        assert not missing, "package-data in pyproject.toml leaves these out"


def test_it_holds_the_scenarios(contents: set[str]) -> None:
    scenarios = {path.name for path in (ROOT / "configs" / "scenarios").iterdir()}
    folder = "site-packages/sim/scenario_files/"
    assert {name.removeprefix(folder) for name in contents if name.startswith(folder) and name != folder} == scenarios


def test_it_holds_nothing_else(contents: set[str], executable: Path) -> None:
    folders = {name.split("/")[1] for name in contents if name.startswith("site-packages/")}
    assert not folders & {"pip", "setuptools", "shiv", "pytest", "mypy", "bin", "bench", "tests", "configs"}
    assert not [name for name in contents if name.endswith(".pyc") or "tests" in name.split("/")[:-1]]
    assert executable.stat().st_size < SIZE_MAX


def test_it_tells_nothing_of_where_it_was_built(executable: Path) -> None:
    archive = zipfile.ZipFile(executable)
    place = str(ROOT).encode()
    assert not [name for name in archive.namelist() if place in archive.read(name)]


def test_two_checkouts_give_the_same_bytes(executable: Path, tmp_path: Path) -> None:
    for name in ("build.sh", "pyproject.toml", "requirements.lock", "README.md"):
        shutil.copyfile(ROOT / name, tmp_path / name)  # the times of the files differ, too
    for package in ("hfs_appliance", "sim"):
        shutil.copytree(ROOT / package, tmp_path / package, copy_function=shutil.copyfile)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    elsewhere = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    subprocess.run(["/bin/bash", tmp_path / "build.sh", "zipapp"], env=elsewhere, umask=0o077, check=True)
    assert digest(tmp_path / "dist" / "hfs") == digest(executable)


def test_modules_of_the_system_and_of_the_user_are_out_of_reach(executable: Path, bare: Bare, tmp_path: Path) -> None:
    for name in ("click", "trio", "json", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('poison')")
    poisoned = {**bare, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py")}
    run = subprocess.run([executable, "--help"], cwd=tmp_path, env=poisoned, check=True, capture_output=True, text=True)
    assert "poison" not in run.stdout + run.stderr


def test_the_search_path_is_the_standard_library_and_itself(executable: Path, bare: Bare) -> None:
    asking = {**bare, "SHIV_INTERPRETER": "1"}
    run = subprocess.run(
        [executable, "-c", "import sys; print(*sys.path, sep='\\n')"],
        env=asking,
        check=True,
        capture_output=True,
        text=True,
    )
    own, standard = str(executable), "/usr/lib/python3"
    places = [place for place in run.stdout.splitlines() if place != own and not place.startswith(bare["SHIV_ROOT"])]
    assert places
    assert all(place.startswith(standard) and not place.endswith("-packages") for place in places)


def test_first_starts_at_the_same_time_do_not_disturb_each_other(executable: Path, tmp_path: Path) -> None:
    starts = [
        subprocess.Popen(
            [executable, "--help"], env={"SHIV_ROOT": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(4)
    ]
    outputs = {start.communicate()[0] for start in starts}
    assert [start.returncode for start in starts] == [0] * 4
    assert len(outputs) == 1


def test_help_is_quick(executable: Path, bare: Bare) -> None:
    """Judge by CPU time, the least of five: other tests run beside this one."""
    assert min(cpu_seconds([executable, "--help"], bare) for _ in range(5)) < HELP_CPU_SECONDS_MAX


def test_help_loads_no_loop_and_no_sdk(executable: Path, bare: Bare) -> None:
    command: list[str | Path] = ["/usr/bin/python3", "-ISX", "importtime", executable, "--help"]
    run = subprocess.run(command, env=bare, check=True, capture_output=True, text=True)
    loaded = {line.rsplit("|")[-1].strip() for line in run.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {"trio", "kazoo", "pydantic", "httpx", "hypercorn", "starlette", "jinja2", "asyncio"}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cpu_seconds(command: list[str | Path], environment: Bare) -> float:
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_utime + used.ru_stime
