"""What a role needs is put in place with the real tools; nothing is fetched from a network."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.agent.install import install
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError
from hfs_appliance.model.desired import RunSpec
from tests.support.sites import site_of

LOG = Log(SystemClock())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = site_of(tmp_path, "install")
    made.home.mkdir()
    return made


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Give the smallest package that pip installs without asking anybody."""
    path = tmp_path / "greeting-1.0-py3-none-any.whl"
    with ZipFile(path, "w") as package:
        package.writestr("greeting.py", "print('hello')\n")
        package.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        package.writestr(
            "greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        package.writestr("greeting-1.0.dist-info/RECORD", "")
    return path


async def test_files_are_copied_again_over_what_a_crash_left(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_text("new")
    (site.home / "sub").mkdir()
    (site.home / "sub" / "file").write_text("half")
    await install(site, RunSpec(command=("true",), directory=str(source)), LOG)
    assert (site.home / "sub" / "file").read_text() == "new"
    assert site.is_installed
    assert not site.venv.exists()


async def test_a_command_in_the_virtual_environment_gets_one(site: Site) -> None:
    await install(site, RunSpec(command=("{venv}/bin/python", "-V")), LOG)
    assert (site.venv / "bin" / "python").exists()


async def test_requirements_go_into_the_servers_own_environment_once_all_can_be_had(site: Site, wheel: Path) -> None:
    with pytest.raises(StepError, match=r"pip .* install .*/nowhere ended with status 1"):
        await install(site, RunSpec(command=("true",), pip=("/nowhere",)), LOG)
    assert not site.is_installed
    await install(site, RunSpec(command=("true",), pip=(str(wheel),)), LOG)
    ran = await trio.run_process([site.venv / "bin" / "python", "-m", "greeting"], capture_stdout=True)
    assert ran.stdout == b"hello\n"


async def test_a_directory_that_is_not_there_is_told(site: Site) -> None:
    with pytest.raises(StepError, match="cannot copy /nowhere"):
        await install(site, RunSpec(command=("true",), directory="/nowhere"), LOG)
