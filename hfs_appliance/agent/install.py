"""What a role needs before its first start: files in the home, requirements in the server's own virtual environment.

Repeating it after a failure or a crash is safe. The tools' own output goes to the log; errors say which step failed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.agent.log import Log
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError, run_tool
from hfs_appliance.model.desired import RunSpec

_SYSTEM_PYTHON: Final = "/usr/bin/python3"


async def install(site: Site, run: RunSpec, log: Log) -> None:
    """Put everything in place that `run` needs. Errors: StepError."""
    if run.directory is not None:
        log.say(f"copying {run.directory}")
        await trio.to_thread.run_sync(_copy, Path(run.directory), site.home)
    if run.pip or any("{venv}" in part for part in (*run.command, *run.environment.values())):
        await _make_venv(site, run.pip, log)
    site.note_installed()


def _copy(source: Path, home: Path) -> None:
    try:
        shutil.copytree(source, home, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise StepError(f"cannot copy {source}: {error}") from None


async def _make_venv(site: Site, requirements: Sequence[str], log: Log) -> None:
    # Not sys.executable: in the zipapp that is an interpreter told to see no site packages.
    python = shutil.which("python3") or _SYSTEM_PYTHON
    log.say(f"making the virtual environment with {python}")
    await run_tool([python, "-m", "venv", *([] if requirements else ["--without-pip"]), str(site.venv)])
    if requirements:
        log.say(f"installing {' '.join(requirements)}")
        pip = [str(site.venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        await run_tool([*pip, "install", "--progress-bar", "off", *requirements])
