"""The words of `hfs replay`: options and help. Cheap to import: what reads the decisions comes when it runs."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

_UNFOLDED: Final = 10_000
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY: Final = click.Path(file_okay=False, path_type=Path)


class When(NamedTuple):
    """A moment as it was typed."""

    ns: int
    is_before_newest: bool
    """Whether it counts back from the newest decision."""


class Moment(click.ParamType[When]):
    """An instant, or (a duration) how long before the newest decision."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> When:
        """Read what was typed: `15m`, `22:04`, `22:04:13`, or ISO 8601; without a zone it is the local time."""
        from hfs_appliance.config import durations

        text = str(value)
        try:
            return When(durations.read(text), is_before_newest=True)
        except ValueError:
            moment = _moment(text)
        if moment is None:
            self.fail(f"{text!r} is no time: write 15m, 22:04, or 2026-11-25T22:04:13", param, ctx)
        return When(round(moment.timestamp() * 1_000_000) * 1_000, is_before_newest=False)


def _moment(text: str) -> datetime | None:
    """Read an instant, or a time of the last 24 hours."""
    now = datetime.now().astimezone()
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(f"{now.date()}T{text}").astimezone()
    except ValueError:
        return None
    return moment if moment <= now else moment - timedelta(days=1)


@click.command(name="replay")
@click.option("--from", "since", type=Moment(), metavar="TIME", help="From then on; the last 15m unless given.")
@click.option("--to", "until", type=Moment(), metavar="TIME", help="Until then; the end unless given.")
@click.option("--config", type=_FILE, metavar="FILE", help="Tell what FILE would have had it decide.")
@click.option("--state", type=_DIRECTORY, metavar="DIR", help="State directory of the hfs run.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON for a machine.")
def replay(since: When | None, until: When | None, config: Path | None, state: Path | None, *, is_json: bool) -> None:
    """Show why hfs decided as it did, and what FILE would have had it decide.

    Decides again upon what was recorded, without an hfs that runs: what was seen, what was believed, what was done and
    what was held, with the reasons. TIME is 15m (before the newest decision), 22:04, or 2026-11-25T22:04:13.

    \b
    Example:
      hfs replay --from 22:04 --to 22:10
      hfs replay --from 1h --config new.toml
    """
    from hfs_appliance.cli.output import Output
    from hfs_appliance.cli.replay import Request, run

    console = Output(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
    run(Request(since=since, until=until, config=config, state=state, is_json=is_json), console)
