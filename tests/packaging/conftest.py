"""The executable file, made for these tests if the sources are newer than it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def executable() -> Path:
    subprocess.run([ROOT / "build.sh", "zipapp"], check=True, capture_output=True)
    return ROOT / "dist" / "hfs"
