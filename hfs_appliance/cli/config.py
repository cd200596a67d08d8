"""`hfs config`: check a configuration, teach its format to an editor, begin a new one."""

from __future__ import annotations

import json
import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import click

from hfs_appliance.config import ConfigError


@click.group()
def config() -> None:
    """Check, describe and begin configuration files."""


def refuse(error: ConfigError) -> NoReturn:
    """Tell every mistake, one a line, and end with EX_CONFIG (78)."""
    click.echo(str(error), err=True)
    sys.exit(os.EX_CONFIG)


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "is_json", is_flag=True, help="Print the result for a machine.")
def check(file: Path, *, is_json: bool) -> None:
    """Tell every mistake in FILE at once, each with its place; exit code 78 when there are any."""
    from hfs_appliance.config import load_file

    try:
        desired, _ = load_file(file)
    except ConfigError as error:
        if not is_json:
            refuse(error)
        click.echo(json.dumps({"file": str(file), "valid": False, "mistakes": error.as_json()}, indent=2))
        sys.exit(os.EX_CONFIG)
    if is_json:
        click.echo(json.dumps({"file": str(file), "valid": True, "mistakes": []}, indent=2))
        return
    instances = sum(sum(service.versions.values()) for service in desired.services.values())
    contents = f"{len(desired.services)} services, {instances} instances"
    click.echo(f"{file}: no mistakes (environment {desired.environment}: {contents})")


@config.command()
def schema() -> None:
    """Print the JSON schema of configuration files, for editors (Even Better TOML, taplo)."""
    from hfs_appliance.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
def init(file: Path | None) -> None:
    """Write a commented starting file to FILE, which must not exist yet; without FILE, print it."""
    text = files("hfs_appliance.config").joinpath("starting.toml").read_text(encoding="utf-8")
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(f"{file}: written; start it with: hfs run {file}")
