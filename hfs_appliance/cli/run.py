"""`hfs run`: check the file, then hand over to the composition root, with the console around it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from hfs_appliance import app
from hfs_appliance.cli.failures import Failure, program
from hfs_appliance.cli.output import Output
from hfs_appliance.cli.progress import show
from hfs_appliance.config import load_file
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.web.control import Control

if TYPE_CHECKING:
    from rich.console import Console


def run(file: Path, state: Path | None, *, is_keeping: bool, is_json: bool) -> None:
    """Run the appliance until it is asked to end. Errors: ConfigError, Failure."""
    desired, source = load_file(file)
    options = app.RunOptions(
        file=file.absolute(),
        source=source,
        desired=desired,
        state=(state or default_state(desired.environment)).absolute(),
        keep=is_keeping,
    )
    console = Output(highlight=False)
    failure: Failure | None = None
    try:
        trio.run(app.run, options, partial(view, console=console, is_json=is_json))
    except* app.CannotStart as errors:
        failure = Failure(str(_first(errors)))
    if failure is not None:
        raise failure
    if is_keeping and console.is_terminal:
        console.print(f"the servers go on running; take them over again with: {program()} run {file}")


def default_state(environment: EnvironmentName) -> Path:
    """Give the state directory of an environment (XDG base directories)."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "hfs" / environment


async def view(control: Control, *, console: Console, is_json: bool) -> None:
    """Show what happens; whatever becomes of the terminal, the appliance goes on."""
    try:
        await show(control, console, is_json=is_json)
    except Exception as error:  # noqa: BLE001 - the environment matters more than its picture
        with suppress(OSError):
            sys.stderr.write(f"the live view ended ({type(error).__name__}: {error}); hfs goes on\n")


def _first(errors: BaseExceptionGroup[app.CannotStart]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
