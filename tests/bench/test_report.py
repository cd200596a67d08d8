"""The benchmark report."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from bench.__main__ import NAMES, ROOT, describe_machine, figure, known_sections, markdown, page
from bench.measure import Spread


def test_every_benchmark_is_listed() -> None:
    modules = sorted(path.stem for path in Path(ROOT, "bench").glob("*.py") if not path.stem.startswith("__"))
    runnable = {name for name in modules if hasattr(importlib.import_module(f"bench.{name}"), "run")}
    assert runnable == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_without_arguments(name: str) -> None:
    assert not inspect.signature(importlib.import_module(f"bench.{name}").run).parameters


def test_the_report_says_on_which_machine_it_was_made() -> None:
    machine = describe_machine()
    assert set(machine) == {"at", "commit", "cores", "memory_gib", "kernel", "python", "load_before"}


def test_the_report_has_tables_for_durations_cases_and_figures() -> None:
    spread = Spread(count=3, ms_min=0.1234, ms_p50=1, ms_p99=1234.5, ms_max=2000)
    cases = {"kill": {"healed": spread, "failed": {"reset": 2, "timeout": 1}}, "stop": {"healed": 2.0}}
    lines = list(markdown("decide", {"cores": 2}, {"a pass": spread, "servers": 5000, "by": "hand", **cases}))
    assert lines == [
        "## decide",
        "",
        "cores 2",
        "",
        "| ms | p50 | p99 | min | max | n |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| a pass | 1 | 1,234 | 0.123 | 2,000 | 3 |",
        "",
        "|  | healed | failed |",
        "| --- | ---: | ---: |",
        "| kill | 1 ms (p99 1,234) | reset 2, timeout 1 |",
        "| stop | 2 |  |",
        "",
        "|  | figure |",
        "| --- | ---: |",
        "| servers | 5,000 |",
        "| by | hand |",
    ]


def test_what_was_not_measured_this_time_stays_in_the_page() -> None:
    before = page({"proxy": "## proxy\n\ncores 1\n\n| a |", "decide": "## decide\n\ncores 1"})
    after = page(known_sections(before) | {"decide": "## decide\n\ncores 2"})
    assert after.partition("## ")[2] == "decide\n\ncores 2\n\n## proxy\n\ncores 1\n\n| a |\n"


@pytest.mark.parametrize(("found", "words"), [(0.01234, "0.0123"), (99.94, "99.9"), (12345.6, "12,346"), (7, "7")])
def test_figures_show_what_means_something(found: float, words: str) -> None:
    assert figure(found) == words
