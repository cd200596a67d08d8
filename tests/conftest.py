"""What tests of several rooms share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]


# Several processes take the files of tests one after the other, in this order: whoever got a long one late would be
# waited for by the others at the end. Files that mostly wait stand between those that mostly calculate.
LONG = (
    "e2e/test_local_environment.py",
    "sim/test_scenario_files.py",
    "sim/test_fleet.py",
    "e2e/test_several.py",
    "sim/test_mutants.py",
    "agent/test_life.py",
    "sim/faults/test_menu.py",
    "contract/registry/test_sessions.py",
    "sim/test_upgrades.py",
    "e2e/test_ensemble.py",
    "swagger/test_properties.py",
    "agent/test_install.py",
    "sim/test_autoscaling.py",
    "e2e/test_troubles.py",
    "packaging/test_zipapp.py",
    "web/test_listener.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long; the tests of a file stay together, in their order."""
    rank = {ROOT / "tests" / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def executable() -> Path:
    """Give dist/hfs, made anew if it is older than the sources."""
    made = subprocess.run([ROOT / "build.sh", "zipapp"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return ROOT / "dist" / "hfs"


# How long one example takes says how busy the machine is, not whether the code is right.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
