"""The page of a run: what stands in it, that it needs nothing from anywhere, and that nothing in it becomes markup."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sim.outcome import Outcome, Timeline, Violation
from sim.report.page import Run, render
from sim.scenario import Scenario
from sim.story import Story
from tests.support import outcomes

GOLDEN = Path(__file__).parents[2] / "golden" / "report" / "outline.txt"
SIZE_MAX = 400_000
VOID = {"meta", "br", "hr", "link", "img", "input"}
OUTLINED = {"h1", "h2", "h3", "th", "summary", "title", "desc"}


class Reader(HTMLParser):
    """Reads a page as strictly as it was meant: every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.outline: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.scripts += tag == "script" or any(name.startswith("on") or name == "style" for name in found)
        self.loads += [str(value) for name, value in attrs if name in {"src", "href", "xlink:href", "srcset", "data"}]
        self.ids += [str(found["id"])] if "id" in found else []
        if tag == "section":
            self.outline.append(f"{'  ' * self._depth()}section {found['id']}")
        if tag not in VOID:
            self.open.append(tag)
        self._words = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag
        words = " ".join("".join(self._words).split())
        in_tale = "ol" in self.open
        if tag in OUTLINED and words and not in_tale and "rect" not in self.open:
            self.outline.append(f"{'  ' * self._depth()}{tag}: {words}")

    def _depth(self) -> int:
        return sum(tag in {"main", "section", "svg", "table"} for tag in self.open)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page() -> str:
    return render(outcomes.run())


def test_the_outline_is_what_somebody_read_and_approved(page: str) -> None:
    found = "\n".join(read(page).outline) + "\n"
    if os.environ.get("HFS_UPDATE"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_it_needs_nothing_from_anywhere_and_forbids_it(page: str) -> None:
    found = read(page)
    assert found.loads == []
    assert found.scripts == 0, "neither scripts nor style attributes, so that a strict policy can stand"
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"content=\"default-src 'none'; style-src 'sha256-{digest}'\"" in page
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert len(page) < SIZE_MAX


def test_every_identifier_is_there_once(page: str) -> None:
    ids = read(page).ids
    assert len(ids) == len(set(ids))


def test_every_drawing_says_what_it_shows(page: str) -> None:
    for drawing in re.findall(r'<svg(?! viewBox="0 0 22 12" aria-hidden="true")[^>]*>', page):
        assert 'role="img"' in drawing
        assert "aria-labelledby=" in drawing


def test_words_never_become_markup() -> None:
    evil = '<script>alert("1")</script>\'"&'
    run = outcomes.run()
    violation = Violation(checker=evil, instant=evil, words=evil)
    bad = replace(
        run,
        outcome=replace(
            run.outcome,
            scenario=evil,
            digest=evil,
            violations=(violation,),
            created={evil: 1},
            availability={evil: next(iter(run.outcome.availability.values()))},
            timeline=replace(
                run.outcome.timeline, faults=tuple(replace(mark, words=evil) for mark in run.outcome.timeline.faults)
            ),
        ),
        scenario=replace(run.scenario, words=evil),
        replay=evil,
    )
    page = render(bad)
    assert "<script" not in page
    assert read(page).scripts == 0


def test_it_says_at_the_top_that_a_promise_was_broken(page: str) -> None:
    run = outcomes.run()
    violation = Violation(checker="healthy-destroyed", instant="31m", words="small-0001 was serving")
    broken = render(replace(run, outcome=replace(run.outcome, violations=(violation,) * 2, violations_total=70)))
    assert "70 promises were broken" in broken
    assert "70 promises were broken" in broken[broken.index("<title>") : broken.index("</title>")]
    assert broken.index("small-0001 was serving") < broken.index("What broke")
    assert "The first 2 of 70." in broken
    assert '<td class="no">no, 2×</td>' in broken
    assert "Every promise was kept" in page
    assert '<td class="no">' not in page


def test_it_tells_what_broke_what_was_done_and_why(page: str) -> None:
    glance = page[page.index('id="at-a-glance"') : page.index('id="capacity-over-time"')]
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", glance))
    for told in (
        "1× zone-dark az1 with 33 servers is without power",
        "30× servers created to fill the pool pool small keeps 9 warm",
        "4× servers deleted because they were lost the cloud says that it does not run",
        "1× cloud-stale the cloud&#39;s list is old: nothing is destroyed",
    ):
        assert told in words


def test_a_run_in_which_nothing_happened_has_a_page_too() -> None:
    nothing = Outcome(
        scenario="quiet", seed=1, servers=1, virtual_seconds=0, cpu_seconds=0, events=0, digest="", violations=()
    )
    scenario = Scenario(name="quiet", words="nothing happens")
    page = render(Run(outcome=nothing, scenario=scenario, story=Story(), replay="hfs simulate quiet"))
    read(page)
    assert "No fault struck." in page
    measured = replace(nothing, timeline=Timeline(levels={"serving": (3,)}, counts={"api_calls": (1,)}))
    read(render(Run(outcome=measured, scenario=scenario, story=Story(), replay="hfs simulate quiet")))
