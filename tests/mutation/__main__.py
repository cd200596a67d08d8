"""`python -m tests.mutation [MODULE...]`: try mistake after mistake in the policy, and name those that no test notices.

The tests of the policy are collected and run once; which functions each calls is noted. Then each mutant is tried in a
fork of that process, against the tests that call its function, quickest first, until one fails: a mutant costs some
hundredths of a second. Tests with random input are left out, so that the answer is the same each time. Exit code 1 when
a mutant survives that `harmless.toml` gives no reason for, or when a reason stands there that no mutant needs any more.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
import pytest
import tomli
from _pytest.runner import runtestprotocol

from tests.mutation.graft import DERIVED, graft
from tests.mutation.operators import Mutant, mutants

ROOT: Final = Path(__file__).parents[2]
HARMLESS: Final = Path(__file__).parent / "harmless.toml"
MODULES: Final = (
    *("phases", "classify", "glance", "moments", "witnesses"),
    *("budget", "quarantine", "reins", "shrink", "storm"),
)
"""Of `hfs_appliance.mcp`: the rule table, the budget, and what holds a plan back."""
TESTS: Final = "tests/mcp"
SLOW_S: Final = 1.0
"""Tests that take longer are not asked; of the processor, so that a busy machine asks the same ones."""
TRY_WITHIN_S: Final = 60
"""A mutant that takes longer has been noticed: it does not end."""


@dataclass(slots=True)
class Asked:
    """A test, and what it calls."""

    item: pytest.Item
    takes_s: float
    calls: frozenset[tuple[str, str]]
    """Module and qualified name of each function."""


@dataclass(slots=True)
class Trial:
    """The run of pytest in which everything happens."""

    modules: Sequence[str]
    survivors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    tried: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of the loop that runs each test once."""
        files = {str(ROOT / "hfs_appliance" / "mcp" / f"{name}.py"): name for name in MODULES}
        asked = sorted(_asked(session.items, files), key=lambda each: each.takes_s)
        for name in self.modules:
            module = import_module(f"hfs_appliance.mcp.{name}")
            for mutant in mutants(Path(str(module.__file__)).read_text()):
                tests = _concerned(asked, name, mutant)
                self.tried[name] += 1
                if not _is_noticed(tests, module, mutant):
                    self.survivors[name].append(mutant.words)
                    print(f"survived  {name}  {mutant.words}", flush=True)  # noqa: T201
            print(f"{name}: {self.tried[name]} tried, {len(self.survivors[name])} survived", flush=True)  # noqa: T201
        return True


def _asked(items: Sequence[pytest.Item], files: Mapping[str, str]) -> Iterator[Asked]:
    for item in items:
        if hasattr(getattr(item, "obj", None), "hypothesis"):
            continue
        calls: set[tuple[str, str]] = set()

        def note(frame: FrameType, _event: str, _argument: object, calls: set[tuple[str, str]] = calls) -> None:
            name = files.get(frame.f_code.co_filename)
            if name is not None:
                calls.add((name, frame.f_code.co_qualname))

        began = time.process_time()
        sys.settrace(note)
        try:
            is_good = _passes(item)
        finally:
            sys.settrace(None)
        takes_s = time.process_time() - began
        if not is_good:
            raise SystemExit(f"{item.nodeid} fails without any mistake")
        if calls and takes_s < SLOW_S:
            yield Asked(item, takes_s, frozenset(calls))


def _passes(item: pytest.Item) -> bool:
    return all(report.passed for report in runtestprotocol(item, log=False, nextitem=None))


def _concerned(asked: Sequence[Asked], module: str, mutant: Mutant) -> Sequence[Asked]:
    """Give the tests that call what is wrong, quickest first.

    What none of them calls is called when the module is made, or is in no function: it concerns all that use it.
    """
    calling = [each for each in asked if (module, mutant.place) in each.calls] if mutant.is_in_function else []
    if calling:
        return calling
    users = {module, *(name.rpartition(".")[2] for name in DERIVED.get(f"hfs_appliance.mcp.{module}", ()))}
    return [each for each in asked if any(name in users for name, _ in each.calls)]


def _is_noticed(tests: Sequence[Asked], module: Any, mutant: Mutant) -> bool:
    pid = os.fork()
    if not pid:
        signal.alarm(TRY_WITHIN_S)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            graft(module, mutant.tree)
            code = 0 if all(_passes(each.item) for each in tests) else 1
        except BaseException:  # noqa: BLE001  # whatever happens, it was noticed
            code = 1
        os._exit(code)
    return os.waitpid(pid, 0)[1] != 0


@click.command()
@click.argument("modules", nargs=-1, type=click.Choice(MODULES), metavar="[MODULE]...")
def main(*, modules: Sequence[str]) -> None:
    """Try mistakes in the policy, and name those that no test notices."""
    trial = Trial(modules or MODULES)
    plugins = [f"-pno:{name}" for name in ("terminal", "cacheprovider")]
    options = ["--override-ini=addopts=--import-mode=importlib", "--capture=no", *plugins, str(ROOT / TESTS)]
    if code := pytest.main(options, plugins=[trial]):
        raise SystemExit(code)
    known = tomli.loads(HARMLESS.read_text())
    odd = 0
    for name in trial.modules:
        reasons = known.get(name, {})
        for words in sorted({*trial.survivors[name]} - reasons.keys()):
            odd += 1
            click.echo(f"nobody noticed  {name}: {words}")
        for words in sorted(reasons.keys() - {*trial.survivors[name]}):
            odd += 1
            click.echo(f"harmless.toml gives a reason for what is noticed  {name}: {words}")
    total, left = sum(trial.tried.values()), sum(map(len, trial.survivors.values()))
    click.echo(f"{total} mistakes, {total - left} noticed, {left} survived, {odd} of them without a reason")
    raise SystemExit(bool(odd))


if __name__ == "__main__":
    main()
