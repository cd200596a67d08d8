"""`python -m bench [NAME...]`: run benchmarks and write what they found, for machines and for people.

A benchmark is a module of this folder, listed below, with `run()` (async or not) that gives its findings by name:
numbers, words, Spreads, or mappings (the rows of one table). Results go to bench/results/; `--publish` also writes them
to docs/benchmarks.md, where what was not measured this time stays as it was, each with the machine and its load then.
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
    "memory",
    "reconcile",
    "recording",
    "reaction",
    "fleet",
    "resync",
    "listing",
    "proxy",
    "environment",
    "claim",
    "guests",
    "faults",
    "takeover",
    "rollback",
    "crowd",
    "worldcup",
    "creation",
    "bootstrap",
    "kills",
    "acceptance",
    "day",
)
"""Cheapest first: what comes early is not disturbed by what comes late."""

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PUBLISHED = ROOT / "docs" / "benchmarks.md"

HEAD = """# Benchmarks

Written by `./build.sh bench --publish [NAME...]`. Durations are in milliseconds, percentiles by nearest rank. Each
section tells when, on which machine and under which load it was measured; where the time goes is told in
[developing](developing.md)."""

Findings = Mapping[str, object]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[NAME]...")
@click.option("--publish", is_flag=True, help="Write them to docs/benchmarks.md, too.")
def main(*, names: Sequence[str], publish: bool) -> None:
    """Run the benchmarks, all or those named."""
    results: dict[str, Findings] = {}
    sections: dict[str, str] = {}
    for name in names or NAMES:
        click.echo(f"==> {name}", err=True)
        machine = describe_machine()
        found = run(name)
        results[name] = {"machine": machine, **found}
        sections[name] = "\n".join(markdown(name, machine, found))
        keep(results, sections, publish=publish)  # what comes after may fail
    click.echo(page(sections))


def keep(results: Mapping[str, Findings], sections: dict[str, str], *, publish: bool) -> None:
    """Write what has been found so far."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(results, default=asdict, indent=2))
    (RESULTS / "latest.md").write_text(page(sections))
    if publish:
        PUBLISHED.write_text(page(known_sections(PUBLISHED.read_text()) | sections))


def page(sections: Mapping[str, str]) -> str:
    """Lay sections out as one page, in the order in which benchmarks are run."""
    return "\n\n".join([HEAD, *(sections[name] for name in NAMES if name in sections)]) + "\n"


def known_sections(text: str) -> dict[str, str]:
    """Give the sections of a page by the names of their benchmarks."""
    parts = text.split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}" for part in parts}


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


def markdown(name: str, machine: Mapping[str, str | float], findings: Findings) -> Iterator[str]:
    """Lay the findings of a benchmark out as tables: one of durations, one of cases, one of single figures."""
    yield f"## {name}"
    yield ""
    yield ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine.items())
    spreads = {what: found for what, found in findings.items() if isinstance(found, Spread)}
    cases = {what: found for what, found in findings.items() if isinstance(found, Mapping)}
    singles = {what: found for what, found in findings.items() if what not in spreads and what not in cases}
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
