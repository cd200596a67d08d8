"""The group of all commands: how every one of them reads its command line and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import takewhile
from typing import Any

import click
from click.exceptions import Exit

from hfs_appliance.cli.failures import INTERRUPTED, Mistaken


@contextmanager
def _well_behaved() -> Iterator[None]:
    """End as Unix tools do when somebody presses Ctrl-C, or when nobody reads the output any more (`… | head`)."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):  # click turns Ctrl-C at a question into Abort
        click.echo(err=True)  # closes the line with the terminal's ^C
        raise Exit(INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        raise Exit(0) from None


class Root(click.Group):
    """The whole of hfs; mistakes in a configuration, Ctrl-C and a reader that leaves end every command alike."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands as they stand below: the first ones first."""
        del ctx
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command; `--simulate` among them is the command of that name."""
        ahead = list(takewhile(lambda word: word not in self.commands, args))
        if "--simulate" in ahead:
            place = ahead.index("--simulate")
            args = [*args[:place], "simulate", *args[place + 1 :]]
        return super().parse_args(ctx, args)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the command line; `hfs --help` is written here."""
        with _well_behaved():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        from hfs_appliance.config.mistakes import ConfigError

        try:
            with _well_behaved():
                return super().invoke(ctx)
        except ConfigError as error:
            raise Mistaken([str(mistake) for mistake in error.mistakes]) from error


class Lazy(click.Group):
    """A group of commands that is imported when one of them is looked for."""

    def __init__(self, home: str, **options: Any) -> None:
        super().__init__(**options)
        self._home = home

    def _group(self) -> click.Group:
        module, name = self._home.split(":")
        group: click.Group = getattr(import_module(module), name)
        return group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands of the group."""
        return self._group().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command of the group."""
        return self._group().get_command(ctx, cmd_name)


def program_of(name: str, home: str, words: str, *, hidden: bool = False) -> click.Command:
    """Make a command of a program that reads its own arguments, and is imported when it is called."""

    @click.command(
        name, help=words, hidden=hidden, add_help_option=False, context_settings={"ignore_unknown_options": True}
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        sys.exit(import_module(home).main(list(arguments)))

    return command
