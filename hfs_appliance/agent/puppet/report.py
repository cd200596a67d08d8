"""What Puppet tells of a run: its last report (YAML) and its log (`--logdest x.json`). Pure.

A report has what happened to each resource; none is written for a run that got no catalogue, and then the log says why.
Format: https://www.puppet.com/docs/puppet/7/format_report.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

MAX_REPORT: Final = 4 * 1024 * 1024
"""Characters. In a report of more, what failed is not looked for: YAML is read in pure Python, about 4 s a million."""
_STATUSES: Final = "\nresource_statuses:"
_FAILED: Final = "\n    failed: true\n"
_SHOWN: Final = 10
_WORDS_MAX: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedResource:
    """A resource that could not be made what it should be."""

    resource: str
    """`File[/etc/motd]`."""
    place: str
    """Where it is declared, `manifests/init.pp:12`; empty when Puppet does not say."""
    words: str

    def __str__(self) -> str:
        place = f" ({self.place})" if self.place else ""
        return f"{self.resource}{place}: {self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run."""

    resources: int
    changed: int
    failed: int
    skipped: int
    failures: tuple[FailedResource, ...] = ()
    """The first of those that failed, by name."""

    @property
    def words(self) -> str:
        """Say how it went."""
        counts = {"changed": self.changed, "failed": self.failed, "skipped": self.skipped}
        parts = [f"{self.resources} resources", *(f"{count} {what}" for what, count in counts.items() if count)]
        return ", ".join(parts)


def read_report(text: str, root: str) -> Report | None:
    """Read a report; places are told below `root`. None: it is none, or one of a run that got no catalogue."""
    # What stands before the statuses is small; they are read only when there is something to be found in them.
    head = _load(text[: text.find(_STATUSES)] if _STATUSES in text else text)
    counts = _counts(head)
    if counts is None:
        return None
    has_failed = _FAILED in text and len(text) <= MAX_REPORT
    failures = sorted(_failures(_load(text), root), key=lambda failure: failure.resource) if has_failed else []
    return Report(
        resources=counts.get("total", 0),
        changed=counts.get("changed", 0),
        failed=counts.get("failed", 0),
        skipped=counts.get("skipped", 0),
        failures=tuple(failures[:_SHOWN]),
    )


def last_error(log: str, root: str) -> str:
    """Give the last error in a log, which is what ended the run; empty when there is none."""
    try:
        entries = json.loads(log if log.rstrip().endswith("]") else f"{log}]")  # one that was killed leaves it open
    except ValueError:
        return ""
    # Facter complains of whatever an unprivileged process may not read, and goes on.
    errors = [entry for entry in entries if entry.get("level") in _ERRORS and entry.get("source") != "Facter"]
    # An agent that got no catalogue from its server ends with words that say only that.
    telling = [entry for entry in errors if not str(entry.get("message")).endswith(_NOTHING_SAID)]
    return _error_words((telling or errors)[-1], root) if errors else ""


_NOTHING_SAID: Final = "; skipping run"
_ERRORS: Final = frozenset({"err", "alert", "emerg", "crit"})


def _load(text: str) -> Mapping[str, Any]:
    """Read YAML; nothing at all when it is none."""
    body = text.partition("\n")[2] if text.startswith("--- !ruby/") else text
    try:
        found = YAML(typ="safe", pure=True).load(body)
    except YAMLError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _counts(report: Mapping[str, Any]) -> Mapping[str, int] | None:
    """Give the numbers of resources; None when no catalogue was applied."""
    try:
        values: Sequence[Sequence[Any]] = report["metrics"]["resources"]["values"]
        return {str(name): int(count) for name, _, count in values}
    except (KeyError, TypeError, ValueError):
        return None


def _failures(report: Mapping[str, Any], root: str) -> Iterator[FailedResource]:
    for name, status in dict(report.get("resource_statuses") or {}).items():
        if status.get("failed"):
            events = [event for event in status.get("events") or () if event.get("status") == "failure"]
            words = "; ".join(str(event.get("message")) for event in events) or "failed"
            yield FailedResource(
                resource=str(name),
                place=_place(status.get("file"), status.get("line"), root),
                words=_short(_without_place(words)),
            )


def _error_words(entry: Mapping[str, Any], root: str) -> str:
    place = _place(entry.get("file"), entry.get("line"), root)
    words = _short(_without_place(str(entry.get("message", ""))))
    return f"{words} ({place})" if place else words


def _place(file: object, line: object, root: str) -> str:
    if not file:
        return ""
    return f"{str(file).removeprefix(root).lstrip('/')}:{line}"


def _without_place(words: str) -> str:
    """Take the place off that Puppet appends to what it says, `(file: …, line: …)`: it is told apart from the words."""
    head, separator, tail = words.partition(" (file: ")
    return head if separator and tail.rstrip().endswith(")") else words


def _short(words: str) -> str:
    first = " ".join(words.split())
    return first if len(first) <= _WORDS_MAX else f"{first[: _WORDS_MAX - 1]}…"
