"""`hfs config`: check a configuration, teach its format to an editor, begin a new one."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

import click

from hfs_appliance.cli.failures import MISTAKEN, Failure
from hfs_appliance.config import ConfigError

_FILE = click.Path(path_type=Path)


@click.group()
def config() -> None:
    """Check, describe and begin configuration files."""


@config.command()
@click.argument("file", type=_FILE)
@click.option("--json", "is_json", is_flag=True, help="Print JSON for a machine.")
def check(file: Path, *, is_json: bool) -> None:
    """Tell every mistake in FILE at once, each with its place.

    \b
    Example:
      hfs config check configs/local.toml
    """
    from hfs_appliance.config import load_file

    try:
        desired, _ = load_file(file)
    except ConfigError as error:
        if not is_json:
            raise
        click.echo(json.dumps({"file": str(file), "valid": False, "mistakes": error.as_json()}))
        sys.exit(MISTAKEN)
    if is_json:
        click.echo(json.dumps({"file": str(file), "valid": True, "mistakes": []}))
        return
    instances = sum(sum(service.versions.values()) for service in desired.services.values())
    contents = f"{len(desired.services)} services, {instances} instances"
    click.echo(f"{file}: no mistakes (environment {desired.environment}: {contents})")


@config.command()
def schema() -> None:
    """Print the JSON schema of configuration files, for editors (Even Better TOML, taplo).

    \b
    Example:
      hfs config schema > hfs.schema.json
    """
    from hfs_appliance.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@config.command()
@click.argument("file", type=_FILE, required=False)
def init(file: Path | None) -> None:
    """Write a commented starting file to FILE, which must not exist yet; without FILE, print it.

    \b
    Example:
      hfs config init hfs.toml
    """
    text = files("hfs_appliance.config").joinpath("starting.toml").read_text(encoding="utf-8")
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as error:
        raise Failure(f"{file} is there already", "choose another name, or move it away first") from error
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from error
    click.echo(f"{file} is written; start it with: hfs run {file}")
