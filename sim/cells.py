"""The cells of the matrix of faults and phases: which there are, and which can never be filled, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from hfs_appliance.model.plan import Phase
from sim.believed import AIMABLE, OF_ROLLOUTS, OF_SERVERS
from sim.coverage import Matrix
from sim.faults import MENU
from sim.scenario import Aim

_UNBORN: Final = frozenset({Phase.CREATING, Phase.BOOTING, Phase.CONFIGURING})
_WITHOUT_ROLE: Final = _UNBORN | {Phase.WARM}

ANSWERING: Final = frozenset(
    {
        *("registrations-flap", "registrations-wrong", "service-crashes", "service-crash-loops", "service-hangs"),
        *("services-leak", "slow-instance", "wrong-answers"),
    }
)
"""Kinds that hit services which answer."""

IMPOSSIBLE: Final[Mapping[str, tuple[frozenset[Phase], str]]] = {
    **{
        kind: (_WITHOUT_ROLE | {Phase.ASSIGNED, Phase.LOST}, "it hits services that answer")
        for kind in sorted(ANSWERING)
    },
    "pool-rots": (
        frozenset(OF_SERVERS) - {Phase.WARM, Phase.ASSIGNED, Phase.CONFIGURING, Phase.DELETING},
        "it hits servers that are built and have no role",
    ),
    "build-interrupted": (
        frozenset(OF_SERVERS) - _UNBORN - {Phase.LOST, Phase.DELETING, Phase.AMBIGUOUS},
        "it hits servers that are being built",
    ),
}
"""By kind: phases in which what it hits is never found, and why."""


def is_possible(kind: str, phase: Aim) -> bool:
    """Tell whether a cell can be filled."""
    return kind not in IMPOSSIBLE or phase not in IMPOSSIBLE[kind][0]


def empty(matrix: Matrix) -> Iterator[tuple[str, Aim]]:
    """Give the cells that could have been filled and were not."""
    for name, kind in sorted(MENU.items()):
        if kind.is_drawn:
            yield from (
                (name, phase) for phase in AIMABLE if is_possible(name, phase) and phase not in matrix.get(name, {})
            )


def table(matrix: Matrix) -> Iterator[str]:
    """Lay the matrix out in Markdown: a row for each kind that a swarm draws, a column for each phase."""
    for title, phases in (("Phases of servers", OF_SERVERS), ("Phases of rollouts", OF_ROLLOUTS)):
        yield f"{title}:"
        yield ""
        yield f"| fault | {' | '.join(phases)} |"
        yield f"|---|{'---:|' * len(phases)}"
        for name, kind in sorted(MENU.items()):
            if kind.is_drawn:
                yield f"| `{name}` | {' | '.join(_cell(matrix, name, phase) for phase in phases)} |"
        yield ""


def _cell(matrix: Matrix, name: str, phase: Aim) -> str:
    count = matrix.get(name, {}).get(phase)
    return str(count) if count is not None else "" if is_possible(name, phase) else "-"
