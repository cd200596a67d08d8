"""`hfs bootstrap` and `hfs destroy`: a whole environment from nothing, and back to nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
import trio
from pydantic_core import to_json

from hfs_appliance import founding
from hfs_appliance.cli import change, render, wait
from hfs_appliance.cli.client import Api
from hfs_appliance.cli.failures import INTERRUPTED, Failure, Foreign, Unavailable, program
from hfs_appliance.cli.options import console
from hfs_appliance.cli.start import default_state, start
from hfs_appliance.config import load_file
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.events import Recorded
from hfs_appliance.ports.errors import PortError
from hfs_appliance.runtime.founding import Holdings
from hfs_appliance.telemetry.words import report

_Result = TypeVar("_Result")


def bootstrap(file: Path, state: Path | None, *, is_json: bool) -> None:
    """Make what servers stand on, then have an appliance make the rest: one that runs, or our own. Errors: Failure."""
    desired, _ = load_file(file)
    _run(founding.lay, desired, _teller(is_json=is_json), again=f"hfs bootstrap {file}")
    running = _running(desired)
    if running is None:
        start(file, state, is_keeping=True, is_bootstrap=True, is_json=is_json)
        return
    with running as api:
        change.apply(api, file, console(), confirm=None, is_sure=True, is_waiting=True, is_json=is_json)
        wait.until_converged(api, console(), api.status().generation, wait.last_seq(api))


def destroy(file: Path, state: Path | None, *, is_sure: bool, is_json: bool) -> None:
    """Remove all that an environment has, after showing it. Errors: Failure."""
    desired, _ = load_file(file)
    found = _run(founding.look, desired, _teller(is_json=is_json), again=f"hfs destroy {file}")
    _show(desired, found, is_json=is_json)
    change.ask("remove all of it for ever?", is_sure=is_sure)
    running = _running(desired)
    if running is not None:
        with running as api:
            change.down(api, console(), is_sure=True, is_waiting=True, is_json=is_json)
    _run(
        founding.clear,
        desired,
        state or default_state(desired.environment),
        _teller(is_json=is_json),
        again=f"hfs destroy {file}",
    )
    if not is_json:
        click.echo(f"nothing of {desired.environment} is left")


def _show(desired: DesiredState, found: Holdings, *, is_json: bool) -> None:
    if is_json:
        click.echo(to_json({"environment": desired.environment, "found": found}).decode())
        return
    click.echo(f"the environment {desired.environment} has:", err=True)
    for words in found.all or ("nothing in its cloud",):
        click.echo(f"  {words}", err=True)


def _running(desired: DesiredState) -> Api | None:
    """Give the appliance that answers where the file says that one would, if it is the environment's."""
    api = Api(f"http://{desired.admin.address}:{desired.admin.port}")
    try:
        if api.status().environment == desired.environment:
            return api
    except (Unavailable, Foreign):
        pass  # nobody, or somebody else's
    api.__exit__()
    return None


def _teller(*, is_json: bool) -> Callable[[Recorded], None]:
    def tell(recorded: Recorded) -> None:
        told = report(recorded)
        click.echo(to_json(told).decode() if is_json else render.plain_event(told))

    return tell


def _run(work: Callable[..., Awaitable[_Result]], *arguments: object, again: str) -> _Result:
    """Run something of the environment's; say what went wrong. Errors: Failure."""
    results: list[_Result] = []
    failure: Failure | None = None

    async def main() -> None:
        results.append(await work(*arguments))

    try:
        trio.run(main)
    except* founding.Alive as errors:
        names = ", ".join(str(error) for error in errors.exceptions)
        words = f"hfs still runs the environment: {names}"
        failure = Failure(words, f"end it first, with `{program()} --api URL down`; then the same command again")
    except* (founding.NoCloud, PortError) as errors:
        failure = Failure(str(errors.exceptions[0]), f"`{again}` goes on from there")
    except* KeyboardInterrupt:
        failure = Failure("what is there stays", f"`{again}` goes on from there", code=INTERRUPTED)
    if failure is not None:
        raise failure
    return results[0]
