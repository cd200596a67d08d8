"""Reports and logs that the real Puppet 7.23 has written (`recorded/`), read."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfs_appliance.agent.puppet.report import MAX_REPORT, FailedResource, last_error, read_report

RECORDED = Path(__file__).parent / "recorded"
ROOT = "/srv/environments/hfs"


def _recorded(name: str) -> str:
    return (RECORDED / name).read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("changed.yaml", "9 resources, 2 changed"),
        ("unchanged.yaml", "9 resources"),
        ("failed.yaml", "12 resources, 2 failed, 1 skipped"),
    ],
)
def test_a_report_says_how_the_run_went(name: str, words: str) -> None:
    report = read_report(_recorded(name), ROOT)
    assert report is not None
    assert report.words == words


def test_what_failed_is_told_by_name_place_and_reason() -> None:
    report = read_report(_recorded("failed.yaml"), ROOT)
    assert report is not None
    migrate, nowhere = report.failures
    assert migrate == FailedResource(
        resource="Exec[migrate]",
        place="modules/base/manifests/halves.pp:7",
        words=(
            "change from 'notrun' to ['0'] failed: '/bin/sh -c \"echo no such table; exit 3\"' "
            "returned 3 instead of one of [0]"
        ),
    )
    assert str(nowhere).startswith(
        "File[/proc/nowhere/file] (modules/base/manifests/halves.pp:4): change from 'absent' to 'file' failed: "
    )
    assert "(file: " not in nowhere.words


def test_a_report_too_large_to_be_read_is_still_counted() -> None:
    text = _recorded("failed.yaml") + "#" * MAX_REPORT
    report = read_report(text, ROOT)
    assert report is not None
    assert (report.failed, report.failures) == (2, ())


@pytest.mark.parametrize("text", ["", "--- !ruby/object:Puppet::Transaction::Report\n", "a: [", "- 1", "metrics: {}"])
def test_what_is_no_report_says_nothing(text: str) -> None:
    assert read_report(text, ROOT) is None


def test_the_log_says_why_there_was_no_run() -> None:
    words = last_error(_recorded("no-class.json"), ROOT)
    assert words == "Evaluation Error: Error while evaluating a Function Call, Could not find class ::nowhere for vm"


def test_an_agent_tells_what_its_server_says_not_that_it_skips_the_run() -> None:
    reason = '{"level": "err", "message": "Error 500 on SERVER: Could not find class ::profile::nowhere"}'
    end = '{"level": "err", "message": "Could not retrieve catalog; skipping run"}'
    assert last_error(f"[{reason}, {end}]", ROOT) == "Error 500 on SERVER: Could not find class ::profile::nowhere"
    assert last_error(f"[{end}]", ROOT) == "Could not retrieve catalog; skipping run"


def test_the_place_of_an_error_is_told_below_the_modules() -> None:
    entry = '[{"level": "err", "message": "Syntax error (file: /x, line: 2)", "file": "/srv/a.pp", "line": 2}'
    assert last_error(entry, "/srv") == "Syntax error (a.pp:2)"  # the file ends there: it was killed


@pytest.mark.parametrize("log", ["", "[", "[]", _recorded("changed.json"), "garbage"])
def test_a_log_without_an_error_of_its_own_says_nothing(log: str) -> None:
    """Facter complains of what it may not read in the recorded one."""
    assert last_error(log, ROOT) == ""
