"""The project's style, kept by tests: what ruff and mypy cannot say about length, sleeping and words.

A rule that makes some code worse is changed here, with the reason, not worked around there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("hfs_appliance", "sim")
FOLDERS = (*PRODUCT, "bench", "configs", "docs", "tests", ".ci")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

Offences = Iterator[str]


def text_files() -> list[Path]:
    """Give every file that people wrote."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path for path in found if path.suffix != ".png" and "results" not in path.parts)


@cache
def modules() -> dict[Path, ast.Module]:
    """Parse our Python: all but the example services under configs/, which are ordinary programs."""
    paths = [path for folder in (*PRODUCT, "bench", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT): ast.parse(text) for path in paths if (text := path.read_text())}


def long_files() -> Offences:
    for path in modules():
        lines = len((ROOT / path).read_text().splitlines())
        if path.parts[0] in PRODUCT and lines > FILE_LINES_MAX:
            yield f"{path}: {lines} lines, {FILE_LINES_MAX} at most: split it by reason to change"


def long_functions() -> Offences:
    for path, module in modules().items():
        for found in ast.walk(module):
            if path.parts[0] in PRODUCT and isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (found.end_lineno or 0) - found.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    yield f"{path}:{found.lineno}: {found.name} has {lines} lines, {FUNCTION_LINES_MAX} at most"


def silent_modules() -> Offences:
    for path, module in modules().items():
        if not ast.get_docstring(module):
            yield f"{path}: no docstring that says what lives here"


def modules_without_future() -> Offences:
    for path, module in modules().items():
        imports = (found for found in module.body if isinstance(found, ast.ImportFrom))
        if not any(found.module == "__future__" and found.names[0].name == "annotations" for found in imports):
            yield f"{path}: no `from __future__ import annotations`"


def mocks() -> Offences:
    for path, module in modules().items():
        for found in ast.walk(module):
            match found:
                case ast.Import(names=names) if any(name.name.startswith("unittest") for name in names):
                    yield f"{path}:{found.lineno}: unittest; write a fake that passes the port's contract"
                case ast.ImportFrom(module=str(name)) if name.startswith("unittest"):
                    yield f"{path}:{found.lineno}: {name}; write a fake that passes the port's contract"


def sleeping_tests() -> Offences:
    for path, module in modules().items():
        if path.name.startswith(("test_", "conftest")):
            for line in bare_sleeps(module):
                yield f"{path}:{line}: a bare sleep; wait for a condition, under a deadline"


def bare_sleeps(found: ast.AST, *, is_excused: bool = False) -> Iterator[int]:
    """Find sleeps that wait for nothing: outside a loop that looks again, and in real time (no mock clock)."""
    match found:
        case ast.While() | ast.AsyncFor():
            is_excused = True
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            is_excused = is_excused or any(arg.arg in {"autojump_clock", "mock_clock"} for arg in args.args)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep"), lineno=line):
            yield line
        case ast.Call(func=ast.Attribute(value=ast.Name(id="trio"), attr="sleep"), lineno=line) if not is_excused:
            yield line
    for child in ast.iter_child_nodes(found):
        yield from bare_sleeps(child, is_excused=is_excused)


def words_of_a_workplace() -> Offences:
    hosts = ("pypi" + r"\.org", "python" + "hosted", "deb" + r"\.debian", "npm" + r"js\.")
    local = re.compile("|".join((r"(?<![\w.])/" + "work/", *hosts)))
    for path in text_files():
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if found := local.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {found[0]!r} names one machine, not the project"


def scattered_settings() -> Offences:
    for name in (
        "setup.py",
        "setup.cfg",
        "tox.ini",
        "pytest.ini",
        "mypy.ini",
        "ruff.toml",
        ".ruff.toml",
        ".importlinter",
    ):
        if (ROOT / name).exists():
            yield f"{name}: settings of tools stand in pyproject.toml"


def odd_changelog() -> Offences:
    headings = {"Safety", "Features", "Performance", "Internals"}
    for number, line in enumerate((ROOT / "CHANGELOG.md").read_text().splitlines(), start=1):
        if line.startswith("### ") and line[4:] not in headings:
            yield f"CHANGELOG.md:{number}: {line[4:]!r} is none of {', '.join(sorted(headings))}"


def odd_decisions() -> Offences:
    """Check that each decision says what it must, briefly."""
    for path in sorted((ROOT / "docs" / "decisions").iterdir()):
        text = path.read_text()
        name = path.relative_to(ROOT)
        if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name):
            yield f"{name}: decisions are called NNNN-title.md"
        if len(text.splitlines()) > 60:
            yield f"{name}: more than 60 lines"
        for heading in ("Context", "Decision", "Consequences", "What would change our mind"):
            if f"\n## {heading}\n" not in text:
                yield f"{name}: no heading {heading!r}"


RULES = (
    long_files,
    long_functions,
    silent_modules,
    modules_without_future,
    mocks,
    sleeping_tests,
    words_of_a_workplace,
    scattered_settings,
    odd_changelog,
    odd_decisions,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_nobody_breaks(rule: Callable[[], Offences]) -> None:
    offences = list(rule())
    assert not offences, "\n".join(offences)


def test_a_sleep_is_bare_outside_a_loop_and_in_real_time() -> None:
    asleep = ast.parse("async def test_x():\n  await trio.sleep(1)\n  time.sleep(1)")
    polling = ast.parse("async def test_x():\n  while not done():\n    await trio.sleep(0.01)")
    virtual = ast.parse("async def test_x(autojump_clock):\n  await trio.sleep(3600)")
    assert [list(bare_sleeps(tree)) for tree in (asleep, polling, virtual)] == [[2, 3], [], []]
