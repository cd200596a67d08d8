"""The agent's process: its exit statuses, and what a crash of its own leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hfs_appliance.agent.main import main
from tests.agent.conftest import Lab

HEAVY = ("httpx", "rich", "click", "starlette", "hypercorn", "openstack", "jinja2", "prometheus_client")


@pytest.mark.parametrize("content", ["{", '{"environment": "x"}'])
def test_a_broken_identity_is_told(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "identity.json"
    file.write_text(content)
    assert main(file) == os.EX_CONFIG
    assert str(file) in capsys.readouterr().err


def test_a_missing_identity_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path / "identity.json") == os.EX_CONFIG
    assert "No such file" in capsys.readouterr().err


async def test_an_agents_own_crash_leaves_the_instance_in_traffic(lab: Lab) -> None:
    await lab.serve()
    before = await lab.wait_entry(lab.path)
    process = lab.service()
    role = lab.place / "role.json"
    role.rename(lab.place / "role.aside")
    role.mkdir()  # the next writing of it fails as a full disk would
    await lab.drain()
    await lab.wait_logged("Traceback")
    assert (lab.service(), await lab.wait_entry(lab.path)) == (process, before)
    role.rmdir()
    (lab.place / "role.aside").rename(role)
    await lab.wait_logged("agent: stopped")


def test_the_agent_loads_nothing_heavy() -> None:
    loaded = f"import sys, hfs_appliance.agent.main; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout.split() == []
