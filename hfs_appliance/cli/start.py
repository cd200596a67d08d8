"""What `hfs run` does at once: read the file, say what it starts, and only then load what takes its time."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic_core import PydanticCustomError

from hfs_appliance import __version__
from hfs_appliance.cli.failures import program
from hfs_appliance.config import load_file
from hfs_appliance.config.spellings import Listen, read_listen
from hfs_appliance.model.desired import CloudProvider, DesiredState
from hfs_appliance.model.ids import EnvironmentName


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What `hfs run` was asked to start."""

    file: Path
    """Absolute, as `state` is."""
    source: str
    desired: DesiredState
    state: Path
    admin: Listen | None
    endpoint: Listen | None
    executable: Listen | None
    """Where this appliance listens, if not where the file says."""
    is_keeping: bool
    is_bootstrap: bool = False
    """Whether it ends once everything is as asked for."""
    is_json: bool
    began_s: float
    """When the command began, on the monotonic clock."""

    def take_over(self) -> str:
        """Give the command line that takes over, wherever it is typed, what this one leaves running."""
        listen = (("--admin", self.admin), ("--endpoint", self.endpoint), ("--executable", self.executable))
        given = [text for option, place in listen if place is not None for text in (option, str(place))]
        return f"{program()} {shlex.join(['run', '--state', str(self.state), *given, '--keep', str(self.file)])}"


def start(
    file: Path,
    state: Path | None,
    *,
    is_keeping: bool,
    is_json: bool,
    admin: str | None = None,
    endpoint: str | None = None,
    executable: str | None = None,
    is_bootstrap: bool = False,
) -> None:
    """Run the appliance until it is asked to end; a bootstrap, until all is there. Errors: ConfigError, Failure."""
    began_s = time.monotonic()
    desired, source = load_file(file)
    starting = Start(
        file=file.absolute(),
        source=source,
        desired=desired,
        state=(state or default_state(desired.environment)).absolute(),
        admin=_listen("--admin", admin),
        endpoint=_listen("--endpoint", endpoint),
        executable=_listen("--executable", executable),
        is_keeping=is_keeping or outlives_us(desired),
        is_bootstrap=is_bootstrap,
        is_json=is_json,
        began_s=began_s,
    )
    if not is_json:
        words = f"starts environment {desired.environment} from {file}, state in {starting.state}"
        click.echo(f"hfs {__version__} {words}", err=True)  # stdout is for events
    from hfs_appliance.cli.run import run

    run(starting)


def outlives_us(desired: DesiredState) -> bool:
    """Tell whether servers go on running unasked: what somebody pays for does not end with a terminal."""
    return desired.cloud.provider is not CloudProvider.LOCAL


def _listen(option: str, text: str | None) -> Listen | None:
    try:
        return read_listen(text) if text is not None else None
    except PydanticCustomError as error:
        told = error.context or {}
        raise click.BadParameter(f"{told['words']}: {told['hint']}", param_hint=option) from error


def default_state(environment: EnvironmentName) -> Path:
    """Give the state directory of an environment (XDG base directories)."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "hfs" / environment
