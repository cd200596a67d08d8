"""Showing something once, or again each second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click
from rich.live import Live

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EVERY_S: Final = 1.0


def show(draw: Callable[[], str | RenderableType], console: Console, *, is_watching: bool) -> None:
    """Print what `draw` gives; watching, redraw it in place on a terminal and print it anew elsewhere."""
    drawn = draw()
    if is_watching and console.is_terminal and not isinstance(drawn, str):
        with Live(drawn, console=console, auto_refresh=False, screen=True) as live:
            while True:
                time.sleep(EVERY_S)
                live.update(draw(), refresh=True)
    _print(drawn, console)
    while is_watching:
        time.sleep(EVERY_S)
        _print(draw(), console)


def _print(drawn: str | RenderableType, console: Console) -> None:
    if isinstance(drawn, str):
        click.echo(drawn)
    else:
        console.print(drawn)
