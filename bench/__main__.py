"""`python -m bench [NAME...]`: run benchmarks and write what they found, for machines and for people.

A benchmark is a module of this folder, listed below, with `run()` (async or not) that gives its findings by name:
numbers, words, Spreads, or mappings (the rows of one table). Results go to bench/results/; `--publish` also writes
docs/benchmarks.md.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import trio

from bench.measure import Spread

NAMES: tuple[str, ...] = (
    "decide",
    "reconcile",
    "recording",
    "reaction",
    "fleet",
    "resync",
    "proxy",
    "environment",
    "faults",
    "day",
)
"""Cheapest first: what comes early is not disturbed by what comes late."""

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PUBLISHED = ROOT / "docs" / "benchmarks.md"

Findings = Mapping[str, object]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[NAME]...")
@click.option("--publish", is_flag=True, help="Write docs/benchmarks.md, too.")
def main(*, names: Sequence[str], publish: bool) -> None:
    """Run the benchmarks, all or those named."""
    machine = describe_machine()
    results: dict[str, Findings] = {}
    for name in names or NAMES:
        click.echo(f"==> {name}", err=True)
        results[name] = run(name)
    page = "\n".join(markdown(machine, results)) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps({"machine": machine, "results": results}, default=asdict, indent=2))
    (RESULTS / "latest.md").write_text(page)
    if publish:
        PUBLISHED.write_text(page)
    click.echo(page)


def run(name: str) -> Findings:
    """Run one benchmark."""
    benchmark = importlib.import_module(f"bench.{name}").run
    return trio.run(benchmark) if inspect.iscoroutinefunction(benchmark) else benchmark()


def describe_machine() -> Mapping[str, str | float]:
    """Tell what the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": describe_commit(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def describe_commit() -> str:
    """Name the commit that was measured; nothing where this is no git checkout."""
    with suppress(FileNotFoundError):
        ask = ["git", "describe", "--always", "--dirty"]
        return subprocess.run(ask, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
    return ""


def markdown(machine: Mapping[str, str | float], results: Mapping[str, Findings]) -> Iterator[str]:
    """Lay the findings out as tables: for each benchmark one of durations, one of cases, one of single figures."""
    yield "# Benchmarks"
    yield ""
    yield "Written by `./build.sh bench`. Durations are in milliseconds, percentiles by nearest rank."
    yield ""
    yield ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine.items())
    for name, findings in results.items():
        spreads = {what: found for what, found in findings.items() if isinstance(found, Spread)}
        cases = {what: found for what, found in findings.items() if isinstance(found, Mapping)}
        singles = {what: found for what, found in findings.items() if what not in spreads and what not in cases}
        yield from ("", f"## {name}")
        if spreads:
            yield from table(("ms", "p50", "p99", "min", "max", "n"), [durations(*row) for row in spreads.items()])
        if cases:
            columns = list(dict.fromkeys(column for found in cases.values() for column in found))
            rows = [(what, *(figure(found.get(column, "")) for column in columns)) for what, found in cases.items()]
            yield from table(("", *columns), rows)
        if singles:
            yield from table(("", "figure"), [(what, figure(found)) for what, found in singles.items()])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay out rows in Markdown: words to the left, figures to the right."""
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"| --- | {' | '.join(['---:'] * (len(head) - 1))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def durations(what: str, found: Spread) -> Sequence[str]:
    """Give the row of a spread."""
    return (what, *map(figure, (found.ms_p50, found.ms_p99, found.ms_min, found.ms_max)), str(found.count))


def figure(found: object) -> str:
    """Write a number with three digits that mean something, or any other finding in its own words."""
    match found:
        case float() if abs(found) < 100:
            return f"{found:.3g}"
        case float() | int():
            return f"{found:,.0f}"
        case Spread():
            return f"{figure(found.ms_p50)} ms (p99 {figure(found.ms_p99)})"
        case Mapping():
            return ", ".join(f"{key} {figure(value)}" for key, value in found.items())
    return str(found)


if __name__ == "__main__":
    main()
