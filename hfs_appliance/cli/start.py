"""What `hfs run` does at once: read the file, say what it starts, and only then load what takes its time."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

import click

from hfs_appliance import __version__
from hfs_appliance.cli.failures import program
from hfs_appliance.config import load_file
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import EnvironmentName


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What `hfs run` was asked to start."""

    file: Path
    """Absolute, as `state` is."""
    source: str
    desired: DesiredState
    state: Path
    is_keeping: bool
    is_json: bool
    began_s: float
    """When the command began, on the monotonic clock."""

    def take_over(self) -> str:
        """Give the command line that takes over, wherever it is typed, what this one leaves running."""
        return f"{program()} {shlex.join(['run', '--state', str(self.state), '--keep', str(self.file)])}"


def start(file: Path, state: Path | None, *, is_keeping: bool, is_json: bool) -> None:
    """Run the appliance until it is asked to end. Errors: ConfigError, Failure."""
    began_s = time.monotonic()
    desired, source = load_file(file)
    starting = Start(
        file=file.absolute(),
        source=source,
        desired=desired,
        state=(state or default_state(desired.environment)).absolute(),
        is_keeping=is_keeping,
        is_json=is_json,
        began_s=began_s,
    )
    if not is_json:
        words = f"starts environment {desired.environment} from {file}, state in {starting.state}"
        click.echo(f"hfs {__version__} {words}", err=True)  # stdout is for events
    from hfs_appliance.cli.run import run

    run(starting)


def default_state(environment: EnvironmentName) -> Path:
    """Give the state directory of an environment (XDG base directories)."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "hfs" / environment
