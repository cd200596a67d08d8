"""Paces: how long the stages of a server's life take here, by what events and records say. Medians of the newest."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final

from hfs_appliance.model.events import ActionStarted, PhaseChanged, Recorded
from hfs_appliance.model.forecast import Paces, Stage, Timed
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Cause, Claim, Create, Delete, Drain, Phase

NEWEST: Final = 25
_BEGINS: Final[Mapping[str, tuple[Stage, ...]]] = {
    Create.verb: (Stage.BOOT, Stage.BUILD),
    Claim.verb: (Stage.START,),
    Drain.verb: (Stage.DRAIN,),
    Delete.verb: (Stage.DELETE,),
}
_ENDS: Final[Mapping[str, Stage]] = {
    Phase.CONFIGURING: Stage.BOOT,
    Phase.WARM: Stage.BUILD,
    Phase.SERVING: Stage.START,
    Phase.GONE: Stage.DELETE,
}
_DRAINED: Final = "drained"
"""The rule that says that a draining server's instance has left."""


class _Spans:
    """The newest measurements of each stage."""

    def __init__(self) -> None:
        self._spans: defaultdict[Timed, deque[Duration]] = defaultdict(lambda: deque(maxlen=NEWEST))

    def note(self, what: Timed, began: Instant, ended: Instant) -> None:
        self._spans[what].append(Duration(ended - began))

    def medians(self) -> dict[Timed, Duration]:
        return {what: sorted(spans)[len(spans) // 2] for what, spans in self._spans.items()}


def measured(records: Iterable[ServerRecord], history: Iterable[Recorded]) -> Paces:
    """Give the usual times. Events know all stages; where they know nothing, records tell of builds and starts."""
    return Paces(usual={**_of_records(records), **_of_events(history)})


def _of_records(records: Iterable[ServerRecord]) -> dict[Timed, Duration]:
    spans = _Spans()
    for record in sorted(records, key=lambda record: (record.created_at, record.server)):
        if record.cause == Cause.ADOPTION:
            continue  # its instants are those of the adoption
        if record.built_at is not None:
            spans.note((Stage.BUILD, record.pool), record.created_at, record.built_at)
        if record.service is not None and record.assigned_at is not None and record.ready_at is not None:
            spans.note((Stage.START, record.service), record.assigned_at, record.ready_at)
    return spans.medians()


def _of_events(history: Iterable[Recorded]) -> dict[Timed, Duration]:
    spans = _Spans()
    began: dict[tuple[ServerId, Stage], Instant] = {}
    for recorded in history:
        event = recorded.event
        if isinstance(event, ActionStarted):
            for stage in _BEGINS.get(event.action, ()):
                began.setdefault((event.server, stage), recorded.at)  # what was asked for again began earlier
        elif isinstance(event, PhaseChanged):
            ended = Stage.DRAIN if event.rule == _DRAINED else _ENDS.get(event.phase)
            begun = began.pop((event.server, ended), None) if ended is not None else None
            scope = event.service if ended in {Stage.START, Stage.DRAIN} else _pool(event.server)
            if ended is not None and begun is not None and scope is not None:
                spans.note((ended, scope), begun, recorded.at)
    return spans.medians()


def _pool(server: ServerId) -> str:
    return server.rpartition("-")[0]
