"""The canonical line of an event: what the journal holds, and what two runs of the simulator are compared by.

    seq ns actor kind key=value key=value <cause>

Keys are sorted. A value is one of
  - an integer in decimal digits:         `elapsed_ms=41`
  - `-`, which stands for None:           `service=-`
  - a bare word of `A-Z a-z 0-9 . _ : / @ + , -` that is neither of the above: `server=small-0007`
  - anything else as a JSON string in ASCII, so that a line is a line whatever the text: `words="two of \\"3\\" serve"`
`<cause>` is the number of the causing event in angle brackets and is left out when there is none. No floats, no
addresses of objects, no time zones: equal streams are equal bytes on every machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, get_args

from hfs_appliance.model.events import Event, Recorded
from hfs_appliance.model.instants import Instant

_INTEGER: Final = re.compile(r"-?[0-9]+")
_BARE: Final = re.compile(r"[A-Za-z0-9._:/@+,-]+")
_NONE: Final = "-"
_PLAIN: Final = re.compile(rf"(?!(?:{_INTEGER.pattern}|{_NONE})\Z){_BARE.pattern}")
"""A bare word that is read back as text."""
_LINE: Final = re.compile(
    r"(?P<seq>[0-9]+) (?P<ns>[0-9]+) (?P<actor>[^ ]+) (?P<kind>[^ ]+)"
    r'(?P<fields>(?: [a-z_0-9]+=(?:[^ "<>]+|"(?:[^"\\]|\\.)*"))*)'
    r"(?: <(?P<cause>[0-9]+)>)?"
)
_FIELD: Final = re.compile(r' ([a-z_0-9]+)=([^ "<>]+|"(?:[^"\\]|\\.)*")')
KINDS: Final[Mapping[str, type[Event]]] = {event.kind: event for event in get_args(Event)}
_NAMES: Final[Mapping[str, Sequence[str]]] = {
    kind: sorted(field.name for field in fields(event)) for kind, event in KINDS.items()
}
"""Of the fields of each kind of event, in the order of the line."""


class NotCanonical(ValueError):
    """The text is not the canonical line of an event that this version knows."""


def write(recorded: Recorded) -> str:
    """Write an event as one line, without the line end."""
    assert _BARE.fullmatch(recorded.actor), recorded.actor
    event = recorded.event
    written = "".join([f" {name}={_write_value(getattr(event, name))}" for name in _NAMES[event.kind]])
    cause = "" if recorded.cause is None else f" <{recorded.cause}>"
    return f"{recorded.seq} {recorded.at} {recorded.actor} {event.kind}{written}{cause}"


def read(line: str) -> Recorded:
    """Read a line back. Errors: NotCanonical."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise NotCanonical(f"not `seq ns actor kind key=value… <cause>`: {line[:200]!r}")
    kind = KINDS.get(match["kind"])
    if kind is None:
        raise NotCanonical(f"no event is called {match['kind']!r}")
    try:
        found: dict[str, Any] = {name: _read_value(value) for name, value in _FIELD.findall(match["fields"])}
        event = kind(**found)
    except (TypeError, ValueError) as error:
        raise NotCanonical(f"{match['kind']}: {error}") from error
    return Recorded(
        seq=int(match["seq"]),
        at=Instant(int(match["ns"])),
        actor=match["actor"],
        event=event,
        cause=None if match["cause"] is None else int(match["cause"]),
    )


def _write_value(value: str | int | None) -> str:
    match value:
        case None:
            return _NONE
        case int():
            return str(int(value))
        case str() if _PLAIN.fullmatch(value):
            return value
    return json.dumps(value)


def _read_value(text: str) -> str | int | None:
    if text == _NONE:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if text.startswith('"'):
        return str(json.loads(text))
    return text
