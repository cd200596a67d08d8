"""docs/ say what the code says: tables name every rule, event, phase, hold, cause and exit code; commands exist.

After a change of rules or events: `HFS_UPDATE=1 pytest tests/docs` writes the generated tables anew.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from statistics import median
from typing import get_args

import click
import pytest

from hfs_appliance.cli import failures
from hfs_appliance.cli.main import cli
from hfs_appliance.config import load_text
from hfs_appliance.mcp.phases import RULES
from hfs_appliance.model.events import Event
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.plan import Cause, Phase
from hfs_appliance.registry.curator import read_registration
from sim import scenarios
from sim.checkers import CHECKERS
from sim.faults import MENU
from sim.mutants import MUTANTS
from sim.mutants.catches import read

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *(ROOT / "docs" / name for name in ("operating.md", "developing.md", "simulation.md")))
OPERATING, DEVELOPING, SIMULATION = PAGES[1:]


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(heads)
    lines = [f"| {' | '.join(cells)} |\n" for cells in (heads, *rows)]
    lines.insert(1, f"|{'---|' * len(heads)}\n")
    return "".join(lines)


def rules() -> str:
    rows = ((f"`{rule.name}`", f"`{rule.phase.value}`", rule.words) for rule in RULES)
    return table(("rule", "phase", "meaning"), rows)


def events() -> str:
    kinds = get_args(Event)
    rows = ((f"`{kind.kind}`", kind.severity.value, kind.__doc__ or "") for kind in kinds)
    return table(("kind", "severity", "meaning"), rows)


def faults() -> str:
    rows = (
        (f"`{kind.name}`", "lasts" if kind.spans is not None else "", " ".join(kind.ids), kind.words)
        for _, kind in sorted(MENU.items())
    )
    return table(("kind", "", "identifiers", "what happens, and what `target` and `amount` mean"), rows)


def checkers() -> str:
    rows = ((f"`{checker.name}`", " ".join(checker.ids), checker.promise) for checker in CHECKERS)
    return table(("checker", "identifiers", "what it holds hfs to"), rows)


def mutants() -> str:
    catches = read()
    rows = [
        (
            f"`{name}`",
            wrong.breaks,
            f"`{wrong.caught_by}`",
            str(catches[name].seeds),
            f"{catches[name].cpu_ms / 1000:.1f}",
            str(len(catches[name].scenario.faults)),
        )
        for name, wrong in MUTANTS.items()
    ]
    seeds, spent, faults = (median(float(row[column]) for row in rows) for column in (3, 4, 5))
    rows.append((f"median of {len(rows)}", "", "", f"{seeds:.0f}", f"{spent:.1f}", f"{faults:.0f}"))
    return table(("mutant", "what it does wrong", "caught by", "seeds", "CPU s", "faults left"), rows)


GENERATED: dict[str, tuple[Path, Callable[[], str]]] = {
    "rules": (OPERATING, rules),
    "events": (OPERATING, events),
    "faults": (SIMULATION, faults),
    "checkers": (SIMULATION, checkers),
    "mutants": (SIMULATION, mutants),
}


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_table_is_what_the_code_says(name: str) -> None:
    path, make = GENERATED[name]
    page = path.read_text()
    made = f"<!-- {name} -->\n\n{make()}"
    renewed, count = re.subn(rf"<!-- {name} -->\n(\n(\|.*\n)*)?(?=\n|\Z)", lambda _: made, page)
    assert count == 1
    if os.environ.get("HFS_UPDATE"):
        path.write_text(renewed)
    assert renewed == page, f"the table of {name} in docs/{path.name} is old; HFS_UPDATE=1 writes it anew"


def first_column(name: str) -> list[str]:
    found = re.search(rf"<!-- {name} -->\n\n\|.*\n\|---.*\n((?:\|.*\n)+)", OPERATING.read_text())
    assert found, name
    return [line.split("|")[1].strip(" `") for line in found[1].splitlines()]


def test_the_page_has_every_phase() -> None:
    assert first_column("phases") == [phase.value for phase in Phase]


def test_the_page_has_every_cause() -> None:
    assert first_column("causes") == [cause.value for cause in Cause]


def test_the_page_has_every_exit_code() -> None:
    codes = {
        0,
        failures.FAILED,
        click.UsageError.exit_code,
        failures.UNAVAILABLE,
        failures.MISTAKEN,
        failures.INTERRUPTED,
    }
    assert first_column("exit codes") == [str(code) for code in sorted(codes)]


def holds_in(source: Path) -> Iterator[str]:
    """Find the rule names of holds: `hold(scope, rule, …)`, `_hold(rule, …)`, `HoldChanged(rule=…)`, `Hold(rule=…)`."""
    for call in ast.walk(ast.parse(source.read_text())):
        match call:
            case ast.Call(func=ast.Attribute(attr="hold"), args=[_, ast.Constant(value=str(rule)), *_]):
                yield rule
            case ast.Call(func=ast.Name(id="_hold"), args=[ast.Constant(value=str(rule)), *_]):
                yield rule
            case ast.Call(func=ast.Name(id="Hold" | "HoldChanged"), keywords=keywords):
                yield from (
                    given.value.value
                    for given in keywords
                    if given.arg == "rule"
                    and isinstance(given.value, ast.Constant)
                    and isinstance(given.value.value, str)
                )


def test_the_page_has_every_hold() -> None:
    sources = sorted((ROOT / "hfs_appliance").rglob("*.py"))
    assert sorted(first_column("holds")) == sorted({rule for source in sources for rule in holds_in(source)})


def command_lines() -> Iterator[list[str]]:
    """Give the arguments of each `hfs …` line of a code block, less its comment and what it is piped into."""
    for page in PAGES:
        for line in re.findall(r"^    (?:\w+=\S+ )?(?:dist/)?hfs (.+)$", page.read_text(), re.MULTILINE):
            yield list(takewhile(lambda word: word != "|", shlex.split(line, comments=True)))


@pytest.mark.parametrize("words", list(command_lines()), ids=" ".join)
def test_a_command_in_the_documents_can_be_given(words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="hfs")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    command.parse_args(context, words)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md"], ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_example_of_a_registration_can_be_read() -> None:
    found = re.search(r"<!-- registration -->\n\n((?:    .*\n)+)", DEVELOPING.read_text())
    assert found
    entry = json.loads(found[1])
    registration = read_registration(ServiceName(entry["name"]), entry["id"], found[1].encode(), czxid=1)
    assert registration.server == registration.instance == entry["id"]
    assert registration.version == entry["payload"]["version"]


def test_the_services_of_the_documents_are_valid() -> None:
    found = re.search(r"^    \[service\.billing\]\n(?:    .*\n|\n(?=    \[))+", DEVELOPING.read_text(), re.MULTILINE)
    assert found
    service = re.sub("^    ", "", found[0], flags=re.MULTILINE)
    local = ROOT / "configs" / "local.toml"
    desired = load_text(local.read_text() + service, str(local), base=local.parent)
    assert desired.services[ServiceName("billing")].versions


def test_the_scenario_of_the_documents_can_be_played() -> None:
    found = re.search(r"^    words = (?:.*\n|\n)+?(?=^\|)", SIMULATION.read_text(), re.MULTILINE)
    assert found
    scenario = scenarios.read(re.sub("^    ", "", found[0], flags=re.MULTILINE), "mine", file="mine.toml")
    assert [fault.kind for fault in scenario.faults] == ["api-slow"]
    assert [repetition.fault.kind for repetition in scenario.repetitions] == ["server-dies"]
