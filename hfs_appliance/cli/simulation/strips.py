"""Strips: time lines and stacked bars in one row of characters, told apart without colours, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.text import Text

from hfs_appliance.cli.simulation.board import Mark
from sim.truth import Condition

_HEIGHTS: Final = "▁▂▃▄▅▆▇█"
_TO_COME: Final = "·"
_NEARLY_PER_MILLE: Final = 900
CONDITIONS: Final[Mapping[Condition, tuple[str, str, str]]] = {
    Condition.SERVING: ("█", "green", "serves"),
    Condition.STARTING: ("▓", "cyan", "starts"),
    Condition.WARM: ("▒", "cyan", "warm"),
    Condition.BUILDING: ("░", "blue", "built"),
    Condition.STOPPED: ("-", "magenta", "left"),
    Condition.SICK: ("!", "bold yellow", "sick"),
    Condition.DARK: ("x", "bold red", "dark"),
}
"""Glyph, style and word of each, in the order in which they stand in a bar."""


def levels(least: Sequence[int], bins: int, width: int, full: int) -> Text:
    """Draw how a level went over `bins` bins, of which `least` are known; less than `full` is lower and coloured."""
    strip = Text()
    for column in range(width):
        part = least[column * bins // width : max((column + 1) * bins // width, column * bins // width + 1)]
        if not part:
            strip.append(_TO_COME, "dim")
            continue
        value = min(part)
        if value >= full:
            strip.append(_HEIGHTS[-1], "green")
        else:
            is_nearly = value * 1000 >= full * _NEARLY_PER_MILLE
            strip.append(_HEIGHTS[value * (len(_HEIGHTS) - 1) // full], "yellow" if is_nearly else "red")
    return strip


def marks(marked: Sequence[Mark], bins: int, width: int, now: int) -> Text:
    """Draw when faults began and how long they went on, below `levels`."""
    cells = [" "] * width
    for mark in marked:
        last = (mark.ended if mark.ended is not None else now) * width // bins
        for column in range(mark.begun * width // bins, min(last + 1, width)):
            if cells[column] == " ":
                cells[column] = "─"
    for mark in sorted(marked, key=lambda mark: not mark.is_asked):  # what broke hides what was asked
        column = min(mark.begun * width // bins, width - 1)
        cells[column] = "△" if mark.is_asked else "▲"
    strip = Text()
    for cell in cells:
        strip.append(cell, {"△": "bold cyan", "─": "red"}.get(cell, "bold red"))
    strip.rstrip()
    return strip


def shares(counts: Mapping[Condition, int], width: int) -> Text:
    """Draw machines by condition as one bar; nobody who is there is left out, so a few ill ones can be seen."""
    total = sum(counts.values())
    present = [(condition, counts.get(condition, 0)) for condition in CONDITIONS if counts.get(condition, 0) > 0]
    if not total or len(present) > width:
        return Text()
    cells = {condition: max(1, count * width // total) for condition, count in present}
    most = max(present, key=lambda pair: pair[1])[0]
    cells[most] += width - sum(cells.values())
    bar = Text()
    for condition, number in cells.items():
        glyph, style, _ = CONDITIONS[condition]
        bar.append(glyph * number, style)
    return bar


def legend(counts: Mapping[Condition, int], width: int) -> Text:
    """Say what the glyphs that occur in bars mean, as far as there is room."""
    line = Text()
    for condition, (glyph, style, word) in CONDITIONS.items():
        if counts.get(condition, 0) > 0:
            line.append(f"{glyph} ", style)
            line.append(f"{word} ", "dim")
    line.truncate(width, overflow="ellipsis", pad=True)
    return line
