"""The list of servers, as wide as the terminal: one line each, and columns rather left out than cut to shreds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from hfs_appliance.cli.render import PHASE_STYLES, clock
from hfs_appliance.model.reports import ServerReport

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_LEFT_OUT_FIRST: Final = ("az", "pool", "address", "version", "since", "why")
"""The other columns are always there."""
_WHY_WIDTH: Final = 24
"""A reason that has less room says nothing; one that has more may be cut."""
_GAP: Final = 2


class Listing:
    """A rich renderable that chooses its columns when it knows how wide it may be."""

    def __init__(self, reports: Sequence[ServerReport]) -> None:
        self._columns: dict[str, list[Text]] = {
            "server": [Text(one.server) for one in reports],
            "phase": [Text(one.phase, PHASE_STYLES.get(one.phase, "blue")) for one in reports],
            "service": [Text(one.service or "") for one in reports],
            "version": [Text(one.version or "") for one in reports],
            "address": [Text(one.address) for one in reports],
            "pool": [Text(one.pool) for one in reports],
            "az": [Text(one.az) for one in reports],
            "since": [Text(clock(one.since)) for one in reports],
            "why": [Text(one.words) for one in reports],
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table, and name the columns that had no room."""
        del console
        widths = {name: max(cell_len(name), *map(cell_len, map(str, cells))) for name, cells in self._columns.items()}
        wanted = widths["why"]
        widths["why"] = min(wanted, _WHY_WIDTH)
        left_out: list[str] = []
        while (room := options.max_width - _total(widths)) < 0 and len(left_out) < len(_LEFT_OUT_FIRST):
            left_out.append(_LEFT_OUT_FIRST[len(left_out)])
            del widths[left_out[-1]]
        if "why" in widths:
            widths["why"] = min(wanted, widths["why"] + room)
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        for name, width in widths.items():
            table.add_column(name, width=width, no_wrap=True, overflow="ellipsis")
        for row in zip(*(self._columns[name] for name in widths), strict=True):
            table.add_row(*row)
        yield table
        if left_out:
            yield Text(f"no room for {', '.join(left_out)}: widen the terminal, or pipe it (| cat)", "dim")


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)
