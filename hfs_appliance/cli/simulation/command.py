"""The words of `hfs simulate`: options, help and completion. Cheap to import: the simulator comes when it is played."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

DEFAULT: Final = "fleet-day"
DEFAULT_SERVERS: Final = 100
"""What is played when nothing is named: a whole day within a minute, and there is something to see."""
_OUTPUT: Final = click.Path(dir_okay=False, path_type=Path)


class _ScenarioName(click.ParamType[str]):
    """The name of a scenario that comes with hfs, or a path; completed as both."""

    name = "scenario"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names, and the files that the shell knows."""
        del ctx, param
        from sim import shelf

        found = [CompletionItem(name) for name in shelf.names() if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


@click.command(name="simulate")
@click.argument("scenario", type=_ScenarioName(), required=False)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Which of all possible courses; 1 unless given.")
@click.option("--servers", type=click.IntRange(min=1), metavar="N", help="Another size of the fleet.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), metavar="H", help="Another length of the story.")
@click.option(
    "--swarm", "runs", type=click.IntRange(min=1), metavar="N", help="Play N scenarios drawn by seed instead."
)
@click.option("--report", type=_OUTPUT, metavar="FILE.html", help="Write a page with plots, too.")
@click.option("--shrink", type=_OUTPUT, metavar="FILE.toml", help="Write the least that breaks the same promise.")
@click.option("--journal", type=_OUTPUT, metavar="FILE", help="Write every event there, one canonical line each.")
@click.option("--verbose", "is_verbose", is_flag=True, help="Print those lines instead of the view.")
@click.option("--list", "is_listing", is_flag=True, help="Name the scenarios that come with hfs.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON for a machine.")
def simulate(
    scenario: str | None,
    seed: int | None,
    servers: int | None,
    hours: float | None,
    runs: int | None,
    report: Path | None,
    shrink: Path | None,
    journal: Path | None,
    *,
    is_verbose: bool,
    is_listing: bool,
    is_json: bool,
) -> None:
    """Play SCENARIO: the real hfs over a simulated datacentre, in virtual time, while faults fly.

    SCENARIO is a name (--list) or the path of a TOML file; none is a day of a hundred servers. Equal scenarios and
    seeds give equal runs, to the byte. The exit code is 1 when hfs broke a promise; the last line is the command that
    plays it again.

    \b
    Example:
      hfs simulate zone-loss --seed 7
      hfs simulate --report day.html
      hfs simulate --swarm 100 --json
      hfs simulate ./my.toml --journal my.journal
    """
    from hfs_appliance.cli.simulation import run

    if is_listing:
        run.show_names(is_json=is_json)
        return
    if runs is not None:
        if scenario or servers or hours or report or shrink or journal or is_verbose:
            raise click.UsageError(
                "--swarm draws its own scenarios: it goes with --seed (of the first) and --json only"
            )
        from hfs_appliance.cli.simulation.many import simulate_many

        simulate_many(runs, seed, is_json=is_json)
        return
    run.simulate(
        run.Wish(
            scenario=scenario or DEFAULT,
            seed=seed,
            servers=servers if servers is not None or scenario is not None else DEFAULT_SERVERS,
            hours=hours,
            is_json=is_json,
            is_verbose=is_verbose,
            journal=journal,
            report=report,
            shrunk=shrink,
        )
    )
