"""What tests of several rooms share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

ROOT = Path(__file__).parents[1]


# Several processes take the files of tests one after the other, in this order: whoever got a long one late would be
# waited for by the others at the end. Files that mostly wait stand between those that mostly calculate. A folder is
# taken as a whole: its tests share what takes long to start.
LONG = (
    "e2e/test_local_environment.py",
    "sim/test_scenario_files.py",
    "sim/test_fleet.py",
    "e2e/test_several.py",
    "sim/test_mutants.py",
    "agent/test_life.py",
    "sim/faults/test_menu.py",
    "contract/registry/",
    "sim/test_upgrades.py",
    "e2e/test_ensemble.py",
    "e2e/test_bootstrap.py",
    "swagger/test_properties.py",
    "agent/test_install.py",
    "sim/test_autoscaling.py",
    "e2e/test_troubles.py",
    "e2e/test_first_file.py",
    "packaging/test_zipapp.py",
    "web/test_listener.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; the tests of a file stay together, in their order."""
    items.sort(key=lambda item: next((rank for rank, name in enumerate(LONG) if within(name, item.nodeid)), len(LONG)))


def within(name: str, nodeid: str) -> bool:
    """Tell whether a test belongs to a file or a folder of tests."""
    return nodeid.startswith(f"tests/{name}")


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each process whole files or folders, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        folder = next((name for name in LONG if name.endswith("/") and within(name, nodeid)), None)
        return folder or nodeid.split("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WholeFiles:
    """Share the tests out among processes."""
    config.option.loadscopereorder = False
    return WholeFiles(config, log)


@pytest.fixture(scope="session")
def executable() -> Path:
    """Give dist/hfs, made anew if it is older than the sources."""
    made = subprocess.run([ROOT / "build.sh", "zipapp"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return ROOT / "dist" / "hfs"


# A shell that is set up for somebody's cloud must not lead tests there: the SDK reads these before any clouds.yaml.
for name in [name for name in os.environ if name.startswith("OS_")]:
    del os.environ[name]

# How long one example takes says how busy the machine is, not whether the code is right.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
