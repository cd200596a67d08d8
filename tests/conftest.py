"""What tests of several rooms share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def executable() -> Path:
    """Give dist/hfs, made anew if it is older than the sources."""
    made = subprocess.run([ROOT / "build.sh", "zipapp"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return ROOT / "dist" / "hfs"


# How long one example takes says how busy the machine is, not whether the code is right.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
