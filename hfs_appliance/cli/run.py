"""`hfs run` itself: hand over to the composition root, with the console around it."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from hfs_appliance import app
from hfs_appliance.cli.failures import INTERRUPTED, Failure
from hfs_appliance.cli.output import Output
from hfs_appliance.cli.progress import show
from hfs_appliance.cli.start import Start
from hfs_appliance.supplies import CannotStart
from hfs_appliance.web.control import Control

if TYPE_CHECKING:
    from rich.console import Console


def run(start: Start) -> None:
    """Run the appliance until it is asked to end. Errors: Failure."""
    options = app.RunOptions(
        file=start.file,
        source=start.source,
        desired=start.desired,
        state=start.state,
        keep=start.is_keeping,
        admin=start.admin,
        endpoint=start.endpoint,
        executable=start.executable,
        is_bootstrap=start.is_bootstrap,
    )
    view = View(console=Output(highlight=False), is_json=start.is_json, began_s=start.began_s)
    failure: Failure | None = None
    try:
        trio.run(app.run, options, view)
    except* (CannotStart, app.Unfinished) as errors:
        failure = Failure(*str(_first(errors)).partition("\n")[::2])  # what is wrong, and what to do
    except* app.Interrupted as errors:
        failure = Failure(*str(_first(errors)).partition("\n")[::2], code=INTERRUPTED)
    if failure is not None:
        raise failure
    if start.is_keeping and not view.was_closing and view.console.is_terminal:
        view.console.print(
            f"the servers go on running; take them over again with:\n  {start.take_over()}", soft_wrap=True
        )


@dataclass(slots=True, kw_only=True)
class View:
    """The console, as the composition root wants it."""

    console: Console
    is_json: bool
    began_s: float
    was_closing: bool = False
    """The environment was ended, at last: `hfs down` overrules --keep."""

    async def __call__(self, control: Control) -> None:
        """Show what happens; whatever becomes of the terminal, the appliance goes on."""
        try:
            await show(control, self.console, is_json=self.is_json, began_s=self.began_s)
        except Exception as error:  # noqa: BLE001 - the environment matters more than its picture
            with suppress(OSError):
                cause = _first(error)
                sys.stderr.write(f"the live view ended ({type(cause).__name__}: {cause}); hfs goes on\n")
            await trio.sleep_forever()
        finally:
            self.was_closing = control.status().mode == "closing"


def _first(error: BaseException) -> BaseException:
    """Give the first error of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
